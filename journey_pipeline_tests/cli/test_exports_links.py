"""`exports` shows what vendors called with, and takes a link that a person has."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from journey_pipeline.cli.commands import exports
from journey_pipeline.errors import ConfigError, LedgerError
from journey_pipeline.exports import calls
from journey_pipeline.exports.database import open_ledger
from journey_pipeline.exports.export import Export, Verdict
from journey_pipeline.exports.ledger import Ledger
from journey_pipeline.settings import LEDGER_VARIABLE, utc_now
from journey_pipeline.vendors.judges import judge_of
from journey_pipeline_tests.exports.made_orders import DAY, STEADY, export_of, order, queue
from journey_pipeline_tests.receiver.conftest import EVENTS, PARTNER, link

pytestmark = pytest.mark.slow(reason="a terminal")

POLICY = replace(STEADY, hook_life=2 * DAY, is_polled=False)
ELSEWHERE = "https://files.example"


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    url = f"sqlite:///{tmp_path / 'exports.db'}"
    for name, value in {LEDGER_VARIABLE: url, "INSIDER_PARTNER_NAME": PARTNER, "COLUMNS": "300"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("INSIDER_DOWNLOAD_HOSTS", raising=False)
    with open_ledger(url) as opened:
        yield opened


def asked(ledger: Ledger, at: datetime | None = None) -> Export:
    now = queue(ledger, at or utc_now(), policy=POLICY, connection="insider")
    now.want(order(key=EVENTS))
    export = now.next_to_ask()
    assert export is not None
    return now.asked(export)


def called(ledger: Ledger, export: Export, said: object) -> Verdict:
    at, body = utc_now(), json.dumps(said).encode()
    judged = calls.judge("insider", "insider", body, judge_of, at=at)
    with ledger.writing() as tx:
        call = calls.Call(export.id, export.attempt, at, "192.0.2.1", body, at + DAY)
        return calls.take(tx, call, judged, at=at)


def run(*arguments: str, given: str = "") -> Result:
    return CliRunner().invoke(exports, arguments, input=given)


def test_a_link_from_standard_input_is_judged_and_taken(ledger: Ledger) -> None:
    export, url = asked(ledger), link()
    done = run("--link", str(export.id), given=f"{url}\n")
    assert (done.exit_code, done.exception) == (0, None) or done.exit_code == 0
    assert f"export {export.id}: its link is taken" in done.output
    assert "Signature" not in done.output
    assert export_of(ledger, export.id).poll_address == url
    shown = run()
    assert shown.exit_code == 0
    assert "23 h" in shown.output


@pytest.mark.parametrize("given", ["", "no link", link(host=ELSEWHERE)])
def test_a_link_that_breaks_a_rule_is_not_taken_and_the_rule_is_said(ledger: Ledger, given: str) -> None:
    export = asked(ledger)
    done = run("--link", str(export.id), given=given)
    assert isinstance(done.exception, ConfigError)
    assert "the link was not taken: it" in str(done.exception)
    assert "files.example" not in str(done.exception)
    assert export_of(ledger, export.id).standing == "pending"


def test_an_ended_link_of_a_person_is_not_taken_and_says_nothing_of_the_export(ledger: Ledger) -> None:
    export = asked(ledger)
    done = run("--link", str(export.id), given=link(signed=utc_now() - timedelta(hours=25)))
    assert done.exit_code == 1
    assert "the link was not taken: expired" in done.output
    queue(ledger, utc_now(), policy=POLICY, connection="insider").next_to_look()
    assert export_of(ledger, export.id).standing == "pending"


def test_a_late_call_for_an_order_that_was_merged_away_is_told_until_the_newer_one_lands(ledger: Ledger) -> None:
    policy = replace(POLICY, asks_per_day=1)
    now = queue(ledger, utc_now(), policy=policy, connection="insider", streams={EVENTS.stream: 31 * DAY})
    now.want(order(key=EVENTS))
    first = now.next_to_ask()
    assert first is not None
    now.unanswered(first, error="no answer")
    tomorrow = replace(now, now=lambda: utc_now() + DAY)
    tomorrow.want(order(1, key=EVENTS))
    newer = tomorrow.next_to_ask()
    assert newer is not None
    assert newer.window.start == first.window.start
    assert called(ledger, first, {"url": link("1")}) is Verdict.LATE
    shown = run()
    assert f"{first.id}: the vendor called: late (its window is in export {newer.id}" in shown.output
    assert called(ledger, newer, {"url": link("2")}) is Verdict.DELIVERED
    collection = tomorrow.lease_to_fetch(newer.id)
    assert collection is not None
    tomorrow.landed(collection)
    assert run().output.strip() == "no export is under way"


def test_another_link_than_the_vendors_is_taken_from_a_person(ledger: Ledger) -> None:
    export = asked(ledger)
    called(ledger, export, {"url": link("1")})
    assert run("--link", str(export.id), given=link("2")).exit_code == 0
    assert "/2.parquet" in str(export_of(ledger, export.id).poll_address)


def test_a_link_in_quarantine_is_shown_and_released_once_it_is_allowed(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    export, url = asked(ledger), link(host=ELSEWHERE)
    assert called(ledger, export, {"url": url}) is Verdict.QUARANTINED
    shown = run()
    assert shown.exit_code == 1
    assert "the vendor called: quarantined (its host is none of" in shown.output
    assert f"`journey-pipeline exports --link {export.id} --quarantined`" in shown.output
    still = run("--link", str(export.id), "--quarantined")
    assert "its host is none of" in str(still.exception)
    monkeypatch.setenv("INSIDER_DOWNLOAD_HOSTS", "files.example")
    assert run("--link", str(export.id), "--quarantined").exit_code == 0
    assert export_of(ledger, export.id).poll_address == url
    assert run().exit_code == 0
    again = run("--link", str(export.id), "--quarantined")
    assert isinstance(again.exception, LedgerError)
    assert "no link in quarantine" in str(again.exception)


def test_a_link_over_which_an_export_has_stopped_is_taken_again_when_a_person_says_so(ledger: Ledger) -> None:
    export, url = asked(ledger), link()
    called(ledger, export, {"url": url})
    now = queue(ledger, utc_now(), policy=POLICY, connection="insider")
    collection = now.lease_to_fetch(export.id)
    assert collection is not None
    now.stopped(collection.root, status=None, error="the name of its host stands for an address of this machine")
    assert run().exit_code == 1
    assert run("--link", str(export.id), "--quarantined").exit_code == 0
    assert export_of(ledger, export.id).poll_address == url


def test_an_export_whose_link_ended_needs_a_person_until_it_is_asked_for_again(ledger: Ledger) -> None:
    export = asked(ledger)
    ended = link(signed=utc_now() - timedelta(hours=25))
    assert called(ledger, export, {"url": ended}) is Verdict.EXPIRED
    queue(ledger, utc_now(), policy=POLICY, connection="insider").next_to_look()
    shown = run("--json")
    (told,) = json.loads(shown.output)
    assert (shown.exit_code, told["reason"], told["call"], told["link_ends_at"]) == (1, "expired", "expired", None)
    asked(ledger, utc_now() + DAY)
    assert run().exit_code == 0


def test_an_export_without_a_call_needs_a_person_once_it_is_overdue(ledger: Ledger) -> None:
    asked(ledger, utc_now() - POLICY.overdue_after)
    assert run().exit_code == 0
    queue(ledger, utc_now(), policy=POLICY, connection="insider").next_to_look()
    shown = run()
    assert (shown.exit_code, "overdue" in shown.output) == (1, True)
    assert "Is the hook reachable from outside?" in shown.output


@pytest.mark.parametrize(("hours", "code"), [(5, 0), (7, 1)])
def test_an_order_that_is_refused_for_longer_than_its_connection_allows_needs_a_person(
    ledger: Ledger, hours: int, code: int
) -> None:
    then = queue(ledger, utc_now() - timedelta(hours=hours), policy=POLICY, connection="insider")
    then.want(order(key=EVENTS))
    export = then.next_to_ask()
    assert export is not None
    then.refused(export, status=None, error="the receiver does not answer")
    shown = run("--json")
    (told,) = json.loads(shown.output)
    assert (shown.exit_code, told["reason"], told["needs_a_person"]) == (code, "refused", bool(code))


def test_a_vendors_notice_is_shown_without_addresses(ledger: Ledger) -> None:
    export = asked(ledger)
    called(ledger, export, {"message": "too large, write to ada@example.com"})
    output = run().output
    assert "the vendor called: notice" in output
    assert "ada@" not in output


def test_no_link_is_taken_for_an_export_that_has_ended(ledger: Ledger) -> None:
    export = asked(ledger)
    assert run("--give-up", str(export.id)).exit_code == 0
    assert isinstance(run("--link", str(export.id), given=link()).exception, LedgerError)
    assert run("--quarantined").exit_code == 2


IN_A_TERMINAL = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"


def typed_for(export: Export) -> list[str]:
    """The command that takes a link for an export, in a terminal."""
    command = [sys.executable, "-m", "journey_pipeline.cli.main", "exports", "--link", str(export.id)]
    return [sys.executable, "-c", IN_A_TERMINAL, *command]


def test_no_link_is_asked_for_of_an_export_that_has_ended(ledger: Ledger) -> None:
    export = asked(ledger)
    assert run("--give-up", str(export.id)).exit_code == 0
    done = subprocess.run(typed_for(export), input=b"", capture_output=True, check=False)
    assert done.returncode == 1
    assert b"has ended; order its window again with" in done.stdout
    assert b"Link" not in done.stdout


def test_a_link_that_is_typed_into_a_terminal_is_not_shown(ledger: Ledger) -> None:
    export, url = asked(ledger), link()
    with subprocess.Popen(typed_for(export), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as terminal:
        assert terminal.stdin is not None
        assert terminal.stdout is not None
        shown = b""
        while b"Link: " not in shown:
            shown += os.read(terminal.stdout.fileno(), 1_000)
        terminal.stdin.write(f"{url}\n".encode())
        terminal.stdin.flush()
        shown += terminal.stdout.read()
    assert terminal.returncode == 0
    assert b"its link is taken" in shown
    assert b"Signature" not in shown
    assert export_of(ledger, export.id).poll_address == url
