"""A clock that was ahead, and then right again, keeps no export waiting until its time comes."""

from __future__ import annotations

from dataclasses import replace

from journey_pipeline.exports.export import Reason
from journey_pipeline.exports.ledger import Ledger
from journey_pipeline.exports.orders import bring_back_from_future
from journey_pipeline_tests.exports.made_orders import (
    DAY,
    HOUR,
    NOW,
    POLICY,
    claimed,
    export_of,
    queue,
    requested,
    wanted,
)

LATER = NOW + 365 * DAY


def test_an_export_that_was_requested_by_a_clock_a_year_ahead_is_polled_at_once(ledger: Ledger) -> None:
    wanted(ledger, at=LATER)
    requested(ledger, at=LATER)
    assert queue(ledger).next_to_look() is None
    assert [export.id for export in bring_back_from_future(ledger, "apsis", at=NOW)] == [1]
    assert bring_back_from_future(ledger, "apsis", at=NOW) == []
    polled = queue(ledger).next_to_look()
    assert polled
    assert polled.requested_at == NOW  # so that it becomes overdue in time


def test_what_a_clock_a_year_ahead_was_asking_for_is_asked_for_again(ledger: Ledger) -> None:
    wanted(ledger, at=LATER)
    claimed(ledger, at=LATER)
    bring_back_from_future(ledger, "apsis", at=NOW)
    assert queue(ledger).next_to_ask() is None  # nobody knows whether the vendor made it
    assert export_of(ledger, 1).reason is Reason.UNANSWERED
    assert queue(ledger, NOW + 2 * HOUR).next_to_ask()


def test_a_queue_that_was_held_by_a_clock_a_year_ahead_goes_on(ledger: Ledger) -> None:
    wanted(ledger, at=LATER)
    queue(ledger, LATER).refused(claimed(ledger, at=LATER), status=429, error="too many", retry_after_s=60.0)
    bring_back_from_future(ledger, "apsis", at=NOW)
    assert queue(ledger).next_to_ask()


def test_what_was_asked_for_by_a_clock_a_year_ahead_counts_for_no_day_before(ledger: Ledger) -> None:
    policy = replace(POLICY, asks_per_day=1)
    for day in range(2):
        wanted(ledger, day, at=LATER)
    requested(ledger, at=LATER, policy=policy)
    bring_back_from_future(ledger, "apsis", at=NOW)
    assert queue(ledger, policy=policy).next_to_ask()


def test_a_clock_that_differs_by_minutes_ends_nobodys_lease(ledger: Ledger) -> None:
    wanted(ledger, at=NOW)
    claimed(ledger, at=NOW)
    assert bring_back_from_future(ledger, "apsis", at=NOW - HOUR / 2) == []
