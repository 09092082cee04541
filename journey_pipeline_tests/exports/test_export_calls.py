"""Hooks and calls: a link that may still land is taken, once, and nothing of it stays in the clear."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from journey_pipeline.exports import calls
from journey_pipeline.exports.calls import Call
from journey_pipeline.exports.database import open_ledger
from journey_pipeline.exports.export import Export, Reason, State, Verdict
from journey_pipeline.exports.ledger import Ledger, callbacks
from journey_pipeline.exports.policy import ExportPolicy
from journey_pipeline.exports.turns import listed
from journey_pipeline.model import Judged
from journey_pipeline.transport.redaction import everywhere
from journey_pipeline_tests.exports.made_orders import DAY, HOUR, MINUTE, NOW, STEADY, export_of, order, queue, wanted

CALLED = replace(STEADY, hook_life=2 * DAY, asks_per_day=1)
LINK = "https://files.example/acme/p/1.parquet?X-Amz-Signature=s1gn4ture"
OTHER = "https://files.example/acme/p/2.parquet?X-Amz-Signature=s1gn4ture"


def asked(ledger: Ledger, at: datetime = NOW) -> Export:
    export = queue(ledger, at, policy=CALLED).next_to_ask()
    assert export is not None
    return export


def judged(link: str = LINK, *, ends_at: datetime = NOW + DAY, breaks: str = "") -> Judged:
    return Judged(link=link, path=link.partition("?")[0], ends_at=ends_at, breaks=breaks)


def called(ledger: Ledger, export: Export, said: Judged | None, *, at: datetime = NOW + HOUR) -> Verdict:
    body = (said.link or said.notice).encode() if said else b"\xff{"
    call = Call(export.id, export.attempt, at, "192.0.2.1", body, NOW + 2 * DAY)
    with ledger.writing() as tx:
        return calls.take(tx, call, said, at=at)


def heeded(ledger: Ledger, export: Export, *, at: datetime = NOW + HOUR, policy: ExportPolicy = CALLED) -> Export:
    """An export after the process has looked that asks its vendor."""
    queue(ledger, at, policy=policy).next_to_look()
    return export_of(ledger, export.id)


def bodies(ledger: Ledger) -> list[str | None]:
    with ledger.reading() as tx:
        return [row["body"] for row in tx.rows(select(callbacks).order_by(callbacks.c.id))]


def test_each_attempt_has_a_hook_of_its_own_that_only_its_nonce_finds(ledger: Ledger) -> None:
    wanted(ledger)
    first = asked(ledger)
    queue(ledger, NOW, policy=CALLED).refused(first, status=503, error="no")
    second = asked(ledger, NOW + HOUR)
    with ledger.reading() as tx:
        hooks = [calls.find_hook(tx, str(export.hook), at=NOW + HOUR) for export in (first, second)]
        assert [(hook.export_id, hook.attempt) for hook in hooks if hook] == [(first.id, 1), (first.id, 2)]
        assert calls.find_hook(tx, f"{first.hook}x", at=NOW) is None
        assert calls.find_hook(tx, "", at=NOW) is None
        assert calls.find_hook(tx, str(first.hook), at=NOW + 2 * DAY) is None
    assert len(str(first.hook)) == 43
    assert first.hook != second.hook
    assert str(first.hook) not in repr(first)
    assert everywhere(f"POST /hooks/{first.hook}") == "POST /hooks/***"


def test_a_vendor_that_does_not_call_has_no_hooks(ledger: Ledger) -> None:
    wanted(ledger)
    export = queue(ledger, NOW, policy=STEADY).next_to_ask()
    assert export is not None
    assert export.hook is None


def test_no_nonce_and_no_link_lies_in_the_ledger(tmp_path: Path) -> None:
    with open_ledger(f"sqlite:///{tmp_path / 'exports.db'}") as ledger:
        wanted(ledger)
        export = asked(ledger)
        called(ledger, export, judged(breaks="it is on no host of the list"))
        called(ledger, export, judged())
        called(ledger, export, None)
        held = b"".join(path.read_bytes() for path in tmp_path.iterdir())
        for secret in (str(export.hook), "s1gn4ture", "files.example"):
            assert secret.encode() not in held


@pytest.mark.parametrize("before", ["asking", "pending", "unanswered", "refused", "stopped", "lost", "asked again"])
def test_a_link_is_taken_whatever_was_thought_of_its_attempt(ledger: Ledger, before: str) -> None:
    wanted(ledger)
    export = asked(ledger)
    now = queue(ledger, NOW + MINUTE, policy=CALLED)
    match before:
        case "pending":
            now.asked(export)
        case "unanswered":
            now.unanswered(export, error="no answer")
        case "refused" | "asked again":
            now.refused(export, status=520, error="a page of some gateway")
        case "stopped":
            now.stopped(export, status=401, error="no")
        case "lost":
            now.lost(now.asked(export), status=None, error="never came")
    if before == "asked again":
        queue(ledger, NOW + 30 * MINUTE, policy=CALLED).asked(asked(ledger, NOW + 30 * MINUTE))
    assert called(ledger, export, judged()) is Verdict.DELIVERED
    found = export_of(ledger, export.id)
    assert (found.state, found.poll_address) == (State.READY, LINK)
    assert [one.root.id for one in queue(ledger, NOW + HOUR).fetchable()] == [export.id]


def test_the_same_link_again_changes_nothing_and_another_one_is_kept_and_not_fetched(ledger: Ledger) -> None:
    wanted(ledger)
    export = asked(ledger)
    assert called(ledger, export, judged()) is Verdict.DELIVERED
    before = export_of(ledger, export.id)
    assert called(ledger, export, judged()) is Verdict.REPLAYED
    assert called(ledger, export, judged(OTHER)) is Verdict.ANOTHER
    assert called(ledger, export, judged(OTHER)) is Verdict.REPLAYED
    assert export_of(ledger, export.id) == before
    assert len(bodies(ledger)) == 2


def test_a_link_of_the_same_file_that_ends_later_takes_the_earlier_ones_place(ledger: Ledger) -> None:
    wanted(ledger)
    export = asked(ledger)
    called(ledger, export, judged())
    assert called(ledger, export, judged(f"{LINK}2", ends_at=NOW + 2 * DAY)) is Verdict.DELIVERED
    assert export_of(ledger, export.id).poll_address == f"{LINK}2"


def test_a_link_that_breaks_a_rule_waits_in_quarantine_and_its_export_goes_on(ledger: Ledger) -> None:
    wanted(ledger)
    export = queue(ledger, NOW, policy=CALLED).asked(asked(ledger))
    assert called(ledger, export, judged(breaks="its host is none of the list")) is Verdict.QUARANTINED
    assert called(ledger, export, judged(breaks="its host is none of the list")) is Verdict.REPLAYED
    assert export_of(ledger, export.id).state is State.PENDING
    assert [one.error for one in queue(ledger, NOW + HOUR, policy=CALLED).needing_a_person()] == [
        "the vendor called, and its link waits in quarantine"
    ]
    with ledger.writing() as tx:
        kept = calls.kept_back(tx, export)
        assert kept is not None
        assert kept.body == LINK.encode()
        assert calls.newest(tx)[export.id].needs_a_person
        assert calls.release(tx, kept, judged(), at=NOW + 2 * HOUR) is Verdict.DELIVERED
        assert not calls.newest(tx)[export.id].needs_a_person
        assert calls.kept_back(tx, export) is None
    assert queue(ledger, NOW + HOUR, policy=CALLED).needing_a_person() == []
    assert export_of(ledger, export.id).poll_address == LINK


def test_the_rule_that_a_link_breaks_is_told_with_the_hosts_that_may_be(ledger: Ledger) -> None:
    wanted(ledger)
    rule = "its host is none of https://files.example; INSIDER_DOWNLOAD_HOSTS names those that may be"
    called(ledger, asked(ledger), judged(breaks=rule))
    with ledger.reading() as tx:
        assert calls.newest(tx)[1].says == rule


def test_a_notice_of_the_vendor_fails_the_attempt_that_it_was_for(ledger: Ledger) -> None:
    wanted(ledger)
    export = queue(ledger, NOW, policy=CALLED).asked(asked(ledger))
    assert called(ledger, export, Judged(notice="too large")) is Verdict.NOTICE
    assert export_of(ledger, export.id).state is State.PENDING
    failed = heeded(ledger, export)
    assert (failed.state, failed.reason, failed.failures) == (State.WANTED, Reason.FAILED, 1)
    assert failed.error == "the vendor called and made no file: too large"
    assert called(ledger, export, Judged(notice="too large")) is Verdict.REPLAYED
    assert heeded(ledger, export) == failed
    assert called(ledger, export, judged()) is Verdict.DELIVERED
    assert heeded(ledger, export).state is State.READY


def test_how_often_a_vendor_may_make_no_file_is_for_the_connection_to_say_and_not_for_the_receiver(
    ledger: Ledger,
) -> None:
    wanted(ledger)
    export = queue(ledger, NOW, policy=CALLED).asked(asked(ledger))
    called(ledger, export, Judged(notice="too large"))
    assert heeded(ledger, export, policy=replace(CALLED, failure_ceiling=1)).state is State.STOPPED


def test_a_notice_before_the_answer_to_the_order_counts(ledger: Ledger) -> None:
    wanted(ledger)
    export = asked(ledger)
    called(ledger, export, Judged(notice="too large"))
    queue(ledger, NOW, policy=CALLED).asked(export)
    assert heeded(ledger, export).standing == "wanted: failed"


def test_a_link_that_had_ended_when_it_came_is_expired_and_asked_for_again(ledger: Ledger) -> None:
    wanted(ledger)
    export = queue(ledger, NOW, policy=CALLED).asked(asked(ledger))
    assert called(ledger, export, judged(ends_at=NOW)) is Verdict.EXPIRED
    found = heeded(ledger, export)
    assert (found.state, found.reason) == (State.WANTED, Reason.EXPIRED)
    assert bodies(ledger) == [None]


def test_a_call_that_is_no_json_is_kept_for_an_operator(ledger: Ledger) -> None:
    wanted(ledger)
    export = asked(ledger)
    assert called(ledger, export, None) is Verdict.UNREADABLE
    assert bodies(ledger)[0]
    assert export_of(ledger, export.id).state is State.ASKING


def test_a_call_after_the_landing_does_nothing_and_all_that_calls_said_is_forgotten(ledger: Ledger) -> None:
    wanted(ledger)
    export = asked(ledger)
    called(ledger, export, judged())
    called(ledger, export, judged(OTHER))
    now = queue(ledger, NOW + HOUR)
    collection = now.lease_to_fetch(export.id)
    assert collection is not None
    assert [part.poll_address for part in collection.parts] == [LINK]
    now.landed(collection)
    assert bodies(ledger) == [None, None]
    assert called(ledger, export, judged()) is Verdict.REPLAYED
    assert export_of(ledger, export.id).poll_address is None


def test_the_first_call_of_an_attempt_whose_export_has_landed_is_late(ledger: Ledger) -> None:
    wanted(ledger)
    first = asked(ledger)
    queue(ledger, NOW, policy=CALLED).refused(first, status=520, error="a page of some gateway")
    called(ledger, asked(ledger, NOW + HOUR), judged())
    collection = queue(ledger, NOW + HOUR).lease_to_fetch(first.id)
    assert collection is not None
    queue(ledger, NOW + HOUR).landed(collection)
    assert called(ledger, first, judged(OTHER)) is Verdict.LATE
    assert bodies(ledger) == [None, None]


def test_what_a_call_said_is_forgotten_when_its_link_has_ended(ledger: Ledger) -> None:
    wanted(ledger)
    called(ledger, asked(ledger), judged(breaks="no"))
    assert bodies(ledger) != [None]
    queue(ledger, NOW + DAY, policy=CALLED).next_to_ask()
    assert bodies(ledger) == [None]


def test_a_call_on_an_attempt_that_was_refused_counts_for_its_day(ledger: Ledger) -> None:
    wanted(ledger)
    wanted(ledger, 5, sections=["b"])
    export = asked(ledger)
    queue(ledger, NOW, policy=CALLED).refused(export, status=520, error="a page of some gateway")
    called(ledger, export, judged())
    assert queue(ledger, NOW + 2 * HOUR, policy=CALLED).next_to_ask() is None
    assert queue(ledger, NOW + DAY, policy=CALLED).next_to_ask() is not None


def test_a_ledger_on_the_disk_has_the_hash_of_a_nonce_alone(tmp_path: Path) -> None:
    with open_ledger(f"sqlite:///{tmp_path / 'exports.db'}") as ledger:
        wanted(ledger)
        asked(ledger)
    with closing(sqlite3.connect(tmp_path / "exports.db")) as connection:
        (digest,) = connection.execute("select nonce_sha256 from journey_export_hooks").fetchone()
    assert len(digest) == 64


LOOKS_AT_CLOCK = replace(
    CALLED,
    is_polled=False,
    overdue_after=6 * HOUR,
    lost_after=DAY,
    quiet_around_midnight=5 * MINUTE,
    pending_limit=None,
)


def test_a_look_at_the_clock_tells_a_person_after_six_hours_and_gives_up_after_a_day(ledger: Ledger) -> None:
    wanted(ledger)

    def at(time: datetime) -> Export:
        assert queue(ledger, time, policy=LOOKS_AT_CLOCK).next_to_look() is None
        return export_of(ledger, 1)

    queue(ledger, NOW, policy=LOOKS_AT_CLOCK).asked(asked(ledger))
    assert queue(ledger, NOW, policy=LOOKS_AT_CLOCK).next_due_at() == NOW + 6 * HOUR
    assert at(NOW + 6 * HOUR - MINUTE).standing == "pending"
    late = at(NOW + 6 * HOUR)
    assert (late.standing, late.needs_a_person, late.due_at) == ("pending: overdue", True, NOW + DAY)
    assert late.error is not None
    assert late.error.startswith("no call came within 6 h. Is the hook reachable from outside?")
    assert at(NOW + DAY - MINUTE) == late
    lost = at(NOW + DAY)
    assert (lost.standing, lost.losses) == ("wanted: lost", 1)
    assert called(ledger, late, judged(ends_at=NOW + 3 * DAY), at=NOW + DAY) is Verdict.DELIVERED


def test_nothing_is_asked_in_the_minutes_around_midnight(ledger: Ledger) -> None:
    wanted(ledger)
    midnight = NOW + 12 * HOUR
    for time in (midnight - 5 * MINUTE, midnight, midnight + 5 * MINUTE - HOUR / 3600):
        quiet = queue(ledger, time, policy=LOOKS_AT_CLOCK)
        assert quiet.next_to_ask() is None
        assert quiet.next_due_at() is not None
    assert queue(ledger, midnight - MINUTE, policy=LOOKS_AT_CLOCK).next_to_ask() is None
    assert queue(ledger, midnight + 5 * MINUTE, policy=LOOKS_AT_CLOCK).next_to_ask() is not None


def test_the_next_request_after_a_spent_day_is_due_when_the_quiet_time_is_over(ledger: Ledger) -> None:
    wanted(ledger)
    wanted(ledger, 5, sections=["other"])
    queue(ledger, NOW, policy=LOOKS_AT_CLOCK).unanswered(asked(ledger), error="no answer")
    assert queue(ledger, NOW + HOUR, policy=LOOKS_AT_CLOCK).next_due_at() == NOW + 12 * HOUR + 5 * MINUTE


def test_a_link_that_ended_before_its_file_had_landed_is_told_as_expired(ledger: Ledger) -> None:
    wanted(ledger)
    called(ledger, asked(ledger), judged())
    collection = queue(ledger, NOW + HOUR).lease_to_fetch(1)
    assert collection is not None
    found = queue(ledger, NOW + DAY, policy=CALLED).lost(collection.root, status=403, error="the link has ended")
    assert (found.standing, found.poll_address) == ("wanted: expired", None)
    assert found.needs_a_person


WEEK = {"profile_events": 31 * DAY}


def test_for_a_week_after_a_notice_orders_are_halved_and_the_newest_and_the_oldest_are_asked_in_turn(
    ledger: Ledger,
) -> None:
    """A rolling window of seven days is wanted daily, the vendor can make four days at most."""
    policy = replace(LOOKS_AT_CLOCK, failure_ceiling=5)
    asked_for, days_missing = [], set(range(-6, 1))
    for today in range(8):
        at = NOW + today * DAY
        now = queue(ledger, at, policy=policy, streams=WEEK)
        now.want(order(today - 6, days=7))
        days_missing.add(today)
        export = now.next_to_ask()
        assert export is not None
        assert export.partition == f"{export.window.start:%Y-%m-%d}"
        first = (export.window.start - order(0).window.start).days
        asked_for.append((first, export.window.duration.days))
        now.asked(export)
        if export.window.duration > 4 * DAY:
            assert called(ledger, export, Judged(notice="too large"), at=at) is Verdict.NOTICE
            continue
        called(ledger, export, judged(f"{LINK}{today}", ends_at=at + DAY), at=at)
        collection = now.lease_to_fetch(export.id)
        assert collection is not None
        now.landed(collection)
        days_missing -= set(range(first, first + export.window.duration.days))
    assert asked_for[:5] == [(-6, 7), (-1, 3), (-6, 3), (1, 3), (-3, 2)]
    assert {days for _, days in asked_for[1:7]} <= {1, 2, 3}
    assert asked_for[7][1] >= 7  # a week has passed, and it is tried again
    assert days_missing <= set(range(asked_for[7][0], 8))


def test_a_vendor_that_makes_no_file_of_a_day_either_needs_a_person(ledger: Ledger) -> None:
    asked_for = []
    for today in range(3):
        now = queue(ledger, NOW + today * DAY, policy=LOOKS_AT_CLOCK, streams=WEEK)
        now.want(order(today - 6, days=7))
        export = now.next_to_ask()
        assert export is not None
        asked_for.append(export.window.duration.days)
        assert now.needing_a_person() == []
        called(ledger, now.asked(export), Judged(notice="too large"), at=NOW + today * DAY)
    later = queue(ledger, NOW + 2 * DAY + HOUR, policy=LOOKS_AT_CLOCK, streams=WEEK)
    later.next_to_look()
    assert asked_for == [7, 3, 1]
    assert [one.state for one in later.needing_a_person()] == [State.STOPPED]


def test_pieces_that_are_refused_again_and_again_stay_as_they_are_and_count_their_tries(ledger: Ledger) -> None:
    """The vendor had too much to do yesterday; today the receiver is not there."""
    first = queue(ledger, NOW, policy=LOOKS_AT_CLOCK, streams=WEEK)
    first.want(order(-6, days=7))
    called(ledger, first.asked(asked(ledger)), Judged(notice="too large"), at=NOW)
    tries = 0
    for minute in range(60):
        now = queue(ledger, NOW + DAY + minute * MINUTE, policy=LOOKS_AT_CLOCK, streams=WEEK)
        if export := now.next_to_ask():
            assert export.tries == tries
            now.refused(export, status=None, error="the receiver is not there", retry_after_s=600)
            tries += 1
    assert tries == 6
    assert len(listed(ledger, with_ended=True)) <= 7 * (tries + 1)  # by each request, and not by each look
    assert now.next_due_at() == NOW + DAY + HOUR
    late = queue(ledger, NOW + DAY + 7 * HOUR, policy=replace(LOOKS_AT_CLOCK, overdue_after=6 * HOUR))
    assert late.needing_a_person()
