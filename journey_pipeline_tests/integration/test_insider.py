"""A vendor who calls back, as it runs: commands in a terminal, Dagster behind them, and the receiver beside them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import duckdb
import pytest
import requests

from journey_pipeline.cli.receiver import receiving
from journey_pipeline.components.deployment import load_deployment
from journey_pipeline.components.instance import open_instance
from journey_pipeline.components.translator import RANGE_END, RANGE_START
from journey_pipeline.model import Window
from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.insider.orders import read_order
from journey_pipeline.sandbox.options import SandboxOptions
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline.settings import CLOCK_OFFSET_VARIABLE
from journey_pipeline_tests.cli.terminal import Terminal
from journey_pipeline_tests.crash.commands import CommandServer
from journey_pipeline_tests.projects import NOW, make_project

pytestmark = pytest.mark.slow(reason="commands go through Dagster, with a receiver beside them")

DAYS = Window(datetime(2026, 11, 17, tzinfo=UTC), datetime(2026, 11, 19, tzinfo=UTC))
SPAN = ("--from", f"{DAYS.start:%Y-%m-%d}", "--to", f"{DAYS.end:%Y-%m-%d}")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    options = SandboxOptions(insider={"call_after_s": 0.5})
    world = World(rows_per_hour=10, contacts=100, steady=True)
    with serve(world, clock=SandboxClock(NOW), options=options) as running:
        yield running


@pytest.fixture
def terminal(tmp_path: Path, command_server: CommandServer, sandbox: Sandbox) -> Terminal:
    sandbox.insider.forget()
    sandbox.calls.clear()
    terminal = Terminal.at(tmp_path, command_server, sandbox, "insider")
    (definition,) = terminal.folder.rglob("defs/insider/defs.yaml")
    definition.write_text(definition.read_text().replace("check_receiver: false", "check_receiver: true"))
    return terminal


@pytest.fixture
def receiver(terminal: Terminal, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A receiver of the terminal's ledger."""
    monkeypatch.setenv("JOURNEY_PIPELINE_HOME", str(terminal.home))
    monkeypatch.setenv(CLOCK_OFFSET_VARIABLE, str((sandbox.clock.now() - datetime.now(UTC)).total_seconds()))
    for name, value in sandbox.environment().items():
        monkeypatch.setenv(name, value)
    with receiving() as hooks:
        terminal.changes["INSIDER_WEBHOOK_URL"] = f"{hooks}/a/prefix"
        yield hooks


def test_a_scheduler_orders_without_waiting_and_loads_once_the_vendor_has_called(
    terminal: Terminal, sandbox: Sandbox, receiver: str
) -> None:
    options = sandbox.options.insider
    options.call = "no_call"
    ordered = terminal("backfill", "insider", *SPAN, "--no-wait", INSIDER_WEBHOOK_URL=receiver)
    options.call = "none"
    assert ordered.code == 1
    assert "2026-11-17 to 2026-11-18 failed: export 1" in ordered.err
    assert "is not ready" in ordered.err
    (asked,) = sandbox.calls.to("order")
    made = read_order(json.dumps(asked.body).encode(), options, now=sandbox.clock.now())  # type: ignore[arg-type]
    link = sandbox.insider.link(made, sandbox.url)
    assert requests.post(asked.body["hook"], json={"url": link}, timeout=20).status_code == 200
    assert terminal("backfill", "insider", *SPAN, "--no-wait", INSIDER_WEBHOOK_URL=receiver).code == 0
    assert sandbox.calls.count("order") == 1


def ticked(folder: Path, cursor: str | None = None) -> dg.SensorResult:
    """A tick of the sensor of exports, in a project that has the same home."""
    definitions = load_deployment(folder).definitions
    repository = definitions.get_repository_def()
    with (
        open_instance() as instance,
        dg.build_sensor_context(instance=instance, repository_def=repository, cursor=cursor) as context,
    ):
        return repository.get_sensor_def("insider_exports").evaluate_tick(context)


@pytest.mark.usefixtures("receiver")
def test_a_range_is_ordered_called_for_fetched_and_published(
    terminal: Terminal, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = terminal("backfill", "insider", *SPAN)
    assert done.code == 0, done.err
    with duckdb.connect(str(terminal.home / "journeys.duckdb"), read_only=True) as session:
        found = session.execute("select contact_id, epoch(occurred_at)::bigint from core.journey_events").fetchall()
        attributes = session.execute("select distinct attribute_name from core.profile_attributes").fetchall()
        named = session.execute(
            "select journey_name, activity_name from core.activities join core.journeys using (connection, journey_id) "
            "where core.activities.name_source = 'vendor'"
        ).fetchall()
    whole = Window(DAYS.start, DAYS.end + timedelta(seconds=1))
    asked_at = sandbox.calls.to("order")[0].at
    assert sorted(found) == sorted((one["iid"], one["at_s"]) for one in sandbox.insider.truth(whole, asked_at))
    assert attributes == [("Email",)]
    journeys = sandbox.insider.account.journeys()
    assert sorted(named) == sorted((one["journeyName"], sent["name"]) for one in journeys for sent in one["campaigns"])
    assert sandbox.insider.caller.answers[-1] == 200
    monkeypatch.syspath_prepend(make_project(tmp_path / "watching", "insider", package="watching_shop"))
    tick = ticked(tmp_path / "watching")
    arrivals = [event for event in tick.asset_events if isinstance(event, dg.AssetObservation)]
    assert {(event.asset_key.to_user_string(), event.partition) for event in arrivals} == {
        ("requests/insider/user_events", day) for day in ("2026-11-17", "2026-11-18")
    }
    assert {event.metadata["verdict"].value for event in arrivals} == {"delivered"}
    assert ticked(tmp_path / "watching", tick.cursor).asset_events == []
    checked = terminal("doctor", "insider")
    assert checked.code == 0, checked.out
    for words in ("answers through http://127.0.0.1:", "used by export 1 for", "journey_enter", sandbox.url):
        assert words in checked.out
    spent = terminal("backfill", "insider", "--from", "2026-11-15", "--to", "2026-11-16")
    assert spent.code == 1
    assert "2026-11-15 failed: export 2 of insider/user_events" in spent.err
    assert "today's request was used by export 1" in spent.err
    at = re.findall(r"may be sent at (2026-11-\d\d) 00:05 UTC, and will then hold", spent.err)
    planned = terminal("backfill", "insider", "--from", "2026-11-10", "--to", "2026-11-16", "--plan", COLUMNS="80")
    assert re.search(rf"2026-11-10 to 2026-11-15 +6 +{at[0]}, from 00:05 UTC on", planned.out), planned.out
    assert sandbox.calls.count("order") == 1
    secrets = (
        sandbox.calls.to("order")[0].body["hook"].rpartition("/")[2],
        "X-Amz-Signature=",
        "sandbox-ucd-key",
        "sandbox-analytics",
    )
    for said in (done.out + done.err, checked.out, spent.err, *_texts(terminal.home)):
        assert [secret for secret in secrets if secret in said] == []


@pytest.mark.usefixtures("receiver")
def test_version_2_goes_the_same_way_and_its_chunks_land_as_one_answer(
    terminal: Terminal, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    (definition,) = terminal.folder.rglob("defs/insider/defs.yaml")
    written = definition.read_text()
    definition.write_text(re.sub(r"( +)check_receiver: true", r"\g<0>\n\1api_version: 2", written))
    monkeypatch.setattr(sandbox.options.insider, "v2_chunk_rows", 40)
    done = terminal("backfill", "insider", *SPAN)
    assert done.code == 0, done.err
    (order,) = sandbox.calls.to("order")
    assert order.path.endswith("/api/raw/v2/export")
    assert sandbox.insider.caller.answers[-1] == 200
    (manifest,) = terminal.home.glob("raw/insider/user_events/2026-11-17/manifest.json")
    (attempt,) = json.loads(manifest.read_bytes())["attempts"]
    assert len(attempt["files"]) == sandbox.calls.count("file") > 3
    with duckdb.connect(str(terminal.home / "journeys.duckdb"), read_only=True) as session:
        found = session.execute("select contact_id, epoch(occurred_at)::bigint from core.journey_events").fetchall()
        attributes = session.execute("select distinct attribute_name from core.profile_attributes").fetchall()
    whole = Window(DAYS.start, DAYS.end + timedelta(seconds=1))
    assert sorted(found) == sorted((one["iid"], one["at_s"]) for one in sandbox.insider.truth(whole, order.at))
    assert attributes == [("Email",)]


def _texts(home: Path) -> Iterator[str]:
    """All that lies in a home as text: the ledger, manifests, logs, Dagster's storage."""
    for path in home.rglob("*"):
        if path.is_file() and path.suffix not in {".parquet", ".duckdb"}:
            yield path.read_bytes().decode("latin-1")


def test_without_a_receiver_nothing_is_ordered_and_the_message_says_what_to_start(
    terminal: Terminal, sandbox: Sandbox
) -> None:
    refused = terminal("backfill", "insider", *SPAN, INSIDER_WEBHOOK_URL="http://127.0.0.1:9")
    assert refused.code == 1
    assert "journey-pipeline receiver" in " ".join(refused.err.split())
    assert sandbox.calls.count("order") == 0
    checked = terminal("doctor", "insider", INSIDER_WEBHOOK_URL="http://127.0.0.1:9")
    assert checked.code == 1
    assert "journey-pipeline receiver" in " ".join(checked.out.split())


def test_the_newest_days_are_ordered_at_ten_past_midnight_and_more_of_them_on_sundays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_project(tmp_path, "insider", package="calling_shop")
    monkeypatch.setenv("INSIDER_URL", "https://unification.useinsider.com")
    with monkeypatch.context() as patch:
        patch.syspath_prepend(folder)
        definitions = load_deployment(folder).definitions
    schedule = definitions.resolve_schedule_def("insider__user_events_newest")
    assert schedule.cron_schedule == "10 0 * * *"
    ranges = []
    for day in (16, 22):  # a Monday, and a Sunday
        context = dg.build_schedule_context(scheduled_execution_time=datetime(2026, 11, day, 0, 10, tzinfo=UTC))
        (request,) = schedule.evaluate_tick(context).run_requests or ()
        ranges.append((request.tags[RANGE_START], request.tags[RANGE_END]))
    assert ranges == [("2026-11-09", "2026-11-15"), ("2026-10-23", "2026-11-21")]
    names = {key.name for check in definitions.asset_checks or () for key in check.check_keys}
    assert {"no_export_needs_a_person", "call_came", "link_was_fetched_in_time", "days_request_was_used"} <= names
