"""What happens to one export, in SQLite and in PostgreSQL alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from journey_pipeline.errors import ExportMovedOn, LedgerError
from journey_pipeline.exports import turns as listing
from journey_pipeline.exports.database import open_ledger
from journey_pipeline.exports.export import Export, Reason, State
from journey_pipeline.exports.ledger import Ledger
from journey_pipeline.exports.orders import give_up
from journey_pipeline.exports.policy import ExportPolicy
from journey_pipeline_tests.exports.made_orders import (
    ADDRESS,
    DAY,
    EMAILS,
    HOUR,
    MINUTE,
    NOW,
    POLICY,
    PROFILES,
    SECOND,
    STEADY,
    claimed,
    delivered,
    export_of,
    made_ready,
    order,
    pending_count,
    polled,
    queue,
    requested,
    steps,
    stopped_in,
    wanted,
)


def test_an_export_is_wanted_asked_for_polled_fetched_and_landed(ledger: Ledger) -> None:
    ordered = wanted(ledger)
    assert (ordered.state, ordered.attempt) == (State.WANTED, 0)
    asked = claimed(ledger)
    assert (asked.id, asked.state, asked.attempt, asked.asked_at) == (ordered.id, State.ASKING, 1, NOW)
    taken_on = queue(ledger).asked(asked, vendor_export_id="ex-1", poll_address=ADDRESS, generation=1, status=202)
    assert (taken_on.state, taken_on.vendor_export_id, taken_on.generation) == (State.PENDING, "ex-1", 1)
    later = queue(ledger, NOW + MINUTE).pending(polled(ledger, at=NOW + MINUTE), status=404)
    assert (later.state, later.polls, later.last_status) == (State.PENDING, 1, 404)
    found = queue(ledger, NOW + HOUR).ready(polled(ledger, at=NOW + HOUR), status=200)
    assert (found.state, found.polls, found.poll_address) == (State.READY, 2, ADDRESS)
    collection = queue(ledger, NOW + HOUR).lease_to_fetch(ordered.id)
    assert collection is not None
    done = queue(ledger, NOW + 2 * HOUR).landed(collection)
    assert (done.state, done.landed_at, done.attempt) == (State.LANDED, NOW + 2 * HOUR, 1)
    with ledger.reading() as tx:
        edges = [edge for edge, *_ in steps(tx, ordered.id)]
    assert edges == ["ask", "answer", "deliver", "land"]


def test_the_intent_to_ask_is_kept_before_the_vendor_is_called(ledger: Ledger, ledger_url: str) -> None:
    wanted(ledger)
    asked = claimed(ledger)
    with open_ledger(ledger_url) as another:
        assert export_of(another, asked.id).state is State.ASKING


def test_exports_are_asked_for_in_the_order_in_which_they_were_wanted(ledger: Ledger) -> None:
    days = [4, 0, 2, 1, 3]
    ids = [wanted(ledger, day).id for day in days]
    assert [claimed(ledger).id for _ in days] == ids


def test_no_more_is_asked_for_than_may_be_pending(ledger: Ledger) -> None:
    for day in range(3):
        wanted(ledger, day)
    policy = replace(STEADY, pending_limit=2)
    first, _ = requested(ledger, policy=policy), requested(ledger, policy=policy)
    assert queue(ledger, policy=policy).next_to_ask() is None
    assert NOW < (queue(ledger, policy=policy).next_due_at() or NOW) <= NOW + MINUTE
    assert pending_count(ledger) == 2
    due = polled(ledger, at=NOW + HOUR)
    assert due.id == first.id
    queue(ledger, NOW + HOUR).ready(due, status=200)
    assert queue(ledger, NOW + HOUR, policy=policy).next_to_ask() is not None


def test_a_refusal_for_too_much_under_way_holds_the_whole_queue_and_keeps_its_order(ledger: Ledger) -> None:
    first, second = wanted(ledger, 0), wanted(ledger, 1)
    queue(ledger).refused(
        claimed(ledger), status=429, error="too many pending exports", retry_after_s=3600, holds_queue=True
    )
    assert queue(ledger, NOW + HOUR - SECOND).next_to_ask() is None
    assert queue(ledger).next_due_at() == NOW + HOUR
    assert [claimed(ledger, at=NOW + HOUR).id for _ in range(2)] == [first.id, second.id]


def test_one_export_that_is_refused_keeps_no_other_waiting(ledger: Ledger) -> None:
    bad, good = wanted(ledger, 0), wanted(ledger, 1)
    assert queue(ledger, policy=STEADY).refused(claimed(ledger), status=500, error="no").reason is Reason.REFUSED
    assert claimed(ledger).id == good.id
    again = claimed(ledger, at=NOW + MINUTE)
    assert (again.id, again.attempt) == (bad.id, 2)


def test_a_failed_export_cools_down_while_others_go_on_and_stops_at_the_ceiling(ledger: Ledger) -> None:
    bad, good = wanted(ledger, 0), wanted(ledger, 1)
    at = NOW
    for attempt in (1, 2):
        requested(ledger, at=at)
        at += HOUR
        broken = queue(ledger, at).failed(polled(ledger, at=at), status=503, error="processing failed")
        assert (broken.id, broken.state, broken.attempt) == (bad.id, State.WANTED, attempt)
        assert at < broken.due_at <= at + 2 * HOUR
        at = broken.due_at
    assert [step.id for step in (claimed(ledger, at=at), claimed(ledger, at=at))] == [bad.id, good.id]


def test_the_third_failure_needs_a_person_and_is_asked_for_again_only_on_their_word(ledger: Ledger) -> None:
    wanted(ledger)
    at = NOW
    for _ in range(3):
        broken = queue(ledger, at).failed(requested(ledger, at=at), status=503, error="processing failed; ask for less")
        at = broken.due_at + SECOND
    assert (broken.state, broken.failures) == (State.STOPPED, 3)
    assert queue(ledger, at).needing_a_person() == [broken]
    assert queue(ledger, at + 30 * DAY).next_to_ask() is None
    assert queue(ledger, at).next_due_at() is None
    assert queue(ledger, at).want(order()).id == broken.id
    assert queue(ledger, at).next_to_ask() is None
    reopened = queue(ledger, at).want(order(), again=True)
    assert (reopened.id, reopened.state, reopened.failures) == (broken.id, State.WANTED, 0)
    assert claimed(ledger, at=at).attempt == 4


def test_what_the_vendor_no_longer_has_is_asked_for_again(ledger: Ledger) -> None:
    wanted(ledger)
    requested(ledger)
    gone = queue(ledger, NOW + HOUR).lost(polled(ledger), status=410, error="gone")
    assert (gone.reason, gone.poll_address, gone.losses) == (Reason.LOST, None, 1)
    again = claimed(ledger, at=gone.due_at)
    assert (again.attempt, again.vendor_export_id, again.requested_at) == (2, None, None)


@pytest.mark.parametrize("prepare", [wanted, requested, made_ready], ids=["wanted", "requested", "ready"])
def test_what_was_given_up_is_ordered_anew_and_holds_no_place_at_the_vendor(
    ledger: Ledger, prepare: Callable[[Ledger], Export]
) -> None:
    wanted(ledger)
    old = prepare(ledger)
    given_up = give_up(ledger, old.id, at=NOW + HOUR)
    assert (given_up.state, given_up.poll_address) == (State.REPLACED, None)
    assert pending_count(ledger) == 0
    assert queue(ledger, NOW + HOUR).next_due_at() is None
    new = wanted(ledger, at=NOW + HOUR)
    assert new.id != old.id
    assert claimed(ledger, at=NOW + HOUR).id == new.id


def test_an_answer_for_what_was_given_up_meanwhile_changes_nothing(ledger: Ledger) -> None:
    wanted(ledger)
    requested(ledger)
    held = polled(ledger)
    give_up(ledger, held.id, at=NOW + HOUR)
    with pytest.raises(ExportMovedOn):
        queue(ledger, NOW + HOUR).ready(held, status=200)
    assert export_of(ledger, held.id).state is State.REPLACED


def test_an_order_is_given_up_with_all_its_parts_by_the_number_of_any(ledger: Ledger) -> None:
    wanted(ledger, days=2)
    requested(ledger)
    parts = queue(ledger).split(polled(ledger), [order(day) for day in (0, 1)])
    assert give_up(ledger, parts[0].id, at=NOW + HOUR).id == 1
    assert {export.state for export in listing.listed(ledger, with_ended=True)} == {State.REPLACED}


def test_what_has_landed_can_not_be_given_up(ledger: Ledger) -> None:
    wanted(ledger)
    made_ready(ledger)
    collection = queue(ledger, NOW + HOUR).lease_to_fetch(1)
    assert collection
    queue(ledger, NOW + HOUR).landed(collection)
    with pytest.raises(LedgerError, match="landed"):
        give_up(ledger, 1, at=NOW + HOUR)


def test_a_permanent_refusal_stops_and_says_what_to_do(ledger: Ledger) -> None:
    wanted(ledger)
    said = "413: 30 sections are more than the vendor takes; name fewer `sections` in defs.yaml"
    held = queue(ledger).stopped(claimed(ledger), status=413, error=said)
    assert (held.state, held.error, held.last_status) == (State.STOPPED, said, 413)
    assert stopped_in(ledger, held.id) == [held]


def test_an_order_that_was_changed_replaces_the_one_that_stopped(ledger: Ledger) -> None:
    wanted(ledger, sections=["a", "b"])
    bad = queue(ledger).stopped(claimed(ledger), status=413, error="too many sections")
    good = wanted(ledger, sections=["a"])
    assert good.id != bad.id
    assert export_of(ledger, bad.id).state is State.REPLACED
    assert queue(ledger).current(PROFILES, order().window) == good
    assert queue(ledger, NOW + DAY).needing_a_person() == []


def test_what_stopped_needs_no_person_once_its_window_has_landed_with_a_longer_one(ledger: Ledger) -> None:
    wanted(ledger)
    queue(ledger).stopped(claimed(ledger), status=400, error="wrong")
    month = queue(ledger).want(order(0, days=10))
    made_ready(ledger)
    assert [export.state for export in queue(ledger).needing_a_person()] == [State.STOPPED]
    collection = queue(ledger, NOW + HOUR).lease_to_fetch(month.id)
    assert collection is not None
    queue(ledger, NOW + HOUR).landed(collection)
    assert queue(ledger).needing_a_person() == []


def test_an_order_that_is_on_its_way_is_not_made_twice(ledger: Ledger) -> None:
    month = queue(ledger).want(order(0, days=10))
    assert queue(ledger, NOW + HOUR).want(order(0, days=10)) == month
    assert queue(ledger).want(order(3)).id == month.id
    assert queue(ledger).want(order(9, days=2)).id != month.id
    assert queue(ledger).want(order(0, key=EMAILS)).id != month.id


def test_a_day_that_has_landed_can_be_asked_for_again(ledger: Ledger) -> None:
    first = made_ready_and_landed(ledger)
    second = wanted(ledger, at=NOW + DAY)
    assert second.id != first
    assert queue(ledger).current(PROFILES, order().window) == second


def made_ready_and_landed(ledger: Ledger) -> int:
    wanted(ledger)
    export = made_ready(ledger)
    collection = queue(ledger, NOW + HOUR).lease_to_fetch(export.id)
    assert collection is not None
    return queue(ledger, NOW + HOUR).landed(collection).id


def test_an_unanswered_request_is_asked_again_after_ten_minutes(ledger: Ledger) -> None:
    wanted(ledger)
    lost = queue(ledger, NOW + MINUTE).unanswered(claimed(ledger), error="no answer within 60 s")
    assert (lost.reason, lost.due_at) == (Reason.UNANSWERED, NOW + 10 * MINUTE)
    assert queue(ledger, NOW + 10 * MINUTE - SECOND).next_to_ask() is None
    assert claimed(ledger, at=NOW + 10 * MINUTE).attempt == 2


def test_a_poller_who_died_while_asking_leaves_an_unknown_export_that_is_asked_for_again(ledger: Ledger) -> None:
    wanted(ledger)
    asked = claimed(ledger)
    assert queue(ledger).next_due_at() == NOW + 10 * MINUTE
    assert queue(ledger, NOW + 10 * MINUTE - SECOND).next_to_ask() is None
    again = claimed(ledger, at=NOW + 10 * MINUTE)
    assert (again.id, again.attempt) == (asked.id, 2)
    with ledger.reading() as tx:
        assert [edge for edge, *_ in steps(tx, asked.id)] == ["ask", "ask_again", "ask"]


def test_a_late_answer_counts_if_nobody_has_asked_again(ledger: Ledger) -> None:
    wanted(ledger)
    slow = claimed(ledger)
    queue(ledger, NOW + MINUTE).unanswered(slow, error="no answer")
    taken_on = queue(ledger, NOW + 5 * MINUTE).asked(slow, vendor_export_id="ex-slow")
    assert (taken_on.state, taken_on.vendor_export_id) == (State.PENDING, "ex-slow")
    assert queue(ledger, NOW + DAY).next_to_ask() is None


def test_of_two_answers_only_the_one_to_the_newer_attempt_counts(ledger: Ledger) -> None:
    wanted(ledger)
    slow = claimed(ledger)
    quick = claimed(ledger, at=NOW + 10 * MINUTE)
    with pytest.raises(ExportMovedOn, match="the answer to attempt 1 came too late"):
        queue(ledger, NOW + 11 * MINUTE).asked(slow, vendor_export_id="ex-slow")
    assert queue(ledger, NOW + 11 * MINUTE).asked(quick, vendor_export_id="ex-quick").attempt == 2
    with pytest.raises(ExportMovedOn):
        queue(ledger, NOW + 12 * MINUTE).asked(slow, vendor_export_id="ex-slow")
    assert export_of(ledger, slow.id).vendor_export_id == "ex-quick"


@pytest.mark.parametrize("has_answered", [False, True])
def test_a_callback_makes_an_export_ready_whether_or_not_the_request_was_answered(
    ledger: Ledger, *, has_answered: bool
) -> None:
    wanted(ledger)
    asked = claimed(ledger)
    if has_answered:
        queue(ledger).asked(asked)
    found = delivered(queue(ledger, NOW + HOUR), asked.id, 1, ADDRESS)
    assert (found.state, found.poll_address) == (State.READY, ADDRESS)
    assert delivered(queue(ledger, NOW + HOUR), asked.id, 1, ADDRESS) == found
    with pytest.raises(ExportMovedOn):
        queue(ledger, NOW + HOUR).asked(asked)


def is_asking(ledger: Ledger, export: Export) -> None:
    """The next attempt is under way."""
    queue(ledger, NOW + DAY).release(export)
    assert claimed(ledger, at=NOW + DAY).attempt == export.attempt + 1


def was_lost(ledger: Ledger, export: Export) -> None:
    queue(ledger, NOW + HOUR).lost(export, status=404, error="never heard of it")


def was_broken(ledger: Ledger, export: Export) -> None:
    queue(ledger, NOW + HOUR).failed(export, status=503, error="broken")


def has_stopped(ledger: Ledger, export: Export) -> None:
    queue(ledger, NOW + HOUR).stopped(export, status=400, error="no such address")


def was_split(ledger: Ledger, export: Export) -> None:
    parts = queue(ledger).split(export, [export.order(half, export.request) for half in export.window.halves()])
    (asked,) = [claimed(ledger, at=NOW + HOUR)]
    held = queue(ledger, NOW + HOUR).asked(asked)
    assert held.id == parts[0].id
    queue(ledger, NOW + HOUR).split(held, [held.order(half, held.request) for half in held.window.halves()])


def was_lost_and_is_asked_for_again(ledger: Ledger, export: Export) -> None:
    was_lost(ledger, export)
    is_asking(ledger, export)


GUESSES = [was_lost, was_broken, has_stopped, was_split, was_lost_and_is_asked_for_again]


@pytest.mark.parametrize("guess", GUESSES)
def test_a_file_that_is_there_is_taken_whatever_was_thought_of_its_export(
    ledger: Ledger, guess: Callable[[Ledger, Export], None]
) -> None:
    wanted(ledger)
    requested(ledger)
    looking = polled(ledger)
    guess(ledger, looking)
    found = queue(ledger, NOW + 2 * DAY).ready(looking, status=200)
    assert (found.state, found.reason, found.poll_address) == (State.READY, None, ADDRESS)
    assert (found.vendor_export_id, found.requested_at) == ("ex-1", NOW)
    collection = queue(ledger, NOW + 2 * DAY).lease_to_fetch(found.root_id)
    assert collection is not None
    assert [part.id for part in collection.parts] == [found.id]
    assert queue(ledger, NOW + 2 * DAY).landed(collection).state is State.LANDED
    assert queue(ledger).under_way() == []


@pytest.mark.parametrize("guess", GUESSES)
def test_a_callback_counts_for_any_attempt_and_from_every_state_that_is_no_end(
    ledger: Ledger, guess: Callable[[Ledger, Export], None]
) -> None:
    wanted(ledger)
    requested(ledger)
    guess(ledger, polled(ledger))
    found = delivered(queue(ledger, NOW + 2 * DAY), 1, 1, ADDRESS)
    assert (found.state, found.reason, found.poll_address) == (State.READY, None, ADDRESS)
    renewed = delivered(queue(ledger, NOW + 2 * DAY), 1, 1, f"{ADDRESS}&again=1")
    assert renewed.poll_address == f"{ADDRESS}&again=1"
    give_up(ledger, 1, at=NOW + 2 * DAY)
    with pytest.raises(ExportMovedOn, match="came too late"):
        delivered(queue(ledger, NOW + 2 * DAY), 1, 1, ADDRESS)


def test_a_plain_refusal_counts_though_nobody_waited_for_it_any_longer(ledger: Ledger) -> None:
    policy = replace(STEADY, asks_per_day=1)
    for day in range(2):
        wanted(ledger, day)
    slow = claimed(ledger, policy=policy)
    assert queue(ledger, NOW + 11 * MINUTE, policy=policy).next_to_ask() is None
    assert export_of(ledger, slow.id).reason is Reason.UNANSWERED
    late = queue(ledger, NOW + 12 * MINUTE, policy=policy).refused(slow, status=500, error="no")
    assert (late.state, late.reason) == (State.WANTED, Reason.REFUSED)
    assert queue(ledger, NOW + 12 * MINUTE, policy=policy).next_to_ask() is not None


def test_a_day_has_no_more_requests_than_the_vendor_takes_and_refused_ones_are_free(ledger: Ledger) -> None:
    policy = ExportPolicy(asks_per_day=1)
    for day in range(3):
        wanted(ledger, day)
    queue(ledger, policy=STEADY).refused(claimed(ledger, policy=policy), status=500, error="no")
    queue(ledger).stopped(claimed(ledger, policy=policy), status=400, error="a wrong segment")
    queue(ledger, policy=policy).unanswered(claimed(ledger, policy=policy), error="no answer")
    assert queue(ledger, NOW + 12 * HOUR - SECOND, policy=policy).next_to_ask() is None
    assert queue(ledger, policy=policy).next_due_at() == NOW + 12 * HOUR
    assert queue(ledger, NOW + 12 * HOUR, policy=policy).next_to_ask() is not None


def test_the_poll_that_has_been_due_for_longest_comes_first_and_is_left_to_one_poller(ledger: Ledger) -> None:
    for day in range(2):
        wanted(ledger, day)
    first, second = requested(ledger, at=NOW), requested(ledger, at=NOW + MINUTE)
    at = NOW + 2 * MINUTE
    assert [polled(ledger, at=at).id, polled(ledger, at=at).id] == [first.id, second.id]
    assert queue(ledger, at).next_to_look() is None
    assert polled(ledger, at=at + POLICY.call_lease).id == first.id


def test_a_poller_whose_export_was_taken_over_learns_of_it(ledger: Ledger) -> None:
    wanted(ledger)
    requested(ledger)
    slow = polled(ledger, at=NOW + MINUTE)
    quick = polled(ledger, at=NOW + HOUR)
    with pytest.raises(ExportMovedOn, match="another process"):
        queue(ledger, NOW + HOUR).lost(slow, status=410, error="gone")
    assert queue(ledger, NOW + HOUR).ready(quick, status=200).state is State.READY


def test_a_slow_poller_whose_export_nobody_took_over_is_still_heard(ledger: Ledger) -> None:
    wanted(ledger)
    requested(ledger)
    slow = polled(ledger, at=NOW + MINUTE)
    assert queue(ledger, NOW + DAY).ready(slow, status=200).state is State.READY


def test_a_poll_that_was_broken_off_is_given_back(ledger: Ledger) -> None:
    wanted(ledger)
    requested(ledger)
    queue(ledger).release(polled(ledger, at=NOW + MINUTE))
    assert queue(ledger, NOW + MINUTE).next_to_look() is not None


def test_what_is_being_asked_for_can_not_be_given_back(ledger: Ledger) -> None:
    wanted(ledger)
    asked = claimed(ledger)
    queue(ledger).release(asked)
    assert export_of(ledger, asked.id).lease == asked.lease


def test_polls_become_rarer_and_obey_the_vendor(ledger: Ledger) -> None:
    wanted(ledger)
    export, at = requested(ledger), NOW
    waits: list[timedelta] = []
    for _ in range(12):
        at = export.due_at
        export = queue(ledger, at).pending(polled(ledger, at=at), status=404)
        waits.append(export.due_at - at)
    assert waits[0] <= 8 * SECOND
    assert all(2.5 * MINUTE <= wait <= 5 * MINUTE for wait in waits[-3:])
    obeyed = queue(ledger, at + HOUR).pending(
        polled(ledger, at=at + HOUR), status=429, retry_after_s=7200, error="slow down"
    )
    assert obeyed.due_at == at + 3 * HOUR


def test_a_wait_that_no_calendar_holds_breaks_nothing(ledger: Ledger) -> None:
    wanted(ledger)
    requested(ledger)
    at = NOW + HOUR
    obeyed = queue(ledger, at).pending(polled(ledger, at=at), status=404, retry_after_s=float("9" * 30))
    assert obeyed.due_at == at + DAY


@pytest.mark.parametrize(("retry_after_s", "least"), [(None, timedelta()), (1, timedelta()), (7200, 2 * HOUR)])
def test_a_failed_export_is_asked_for_after_the_cool_down_and_not_before_the_vendor_says(
    ledger: Ledger, retry_after_s: float | None, least: timedelta
) -> None:
    wanted(ledger)
    requested(ledger)
    at = NOW + HOUR
    broken = queue(ledger, at).failed(polled(ledger, at=at), status=503, error="broken", retry_after_s=retry_after_s)
    assert broken.due_at - at >= max(least, 2.5 * MINUTE)
    assert broken.due_at - at <= max(least, 5 * MINUTE)


def test_an_export_that_takes_too_long_is_overdue_and_can_still_be_ready(ledger: Ledger) -> None:
    wanted(ledger)
    requested(ledger)
    on_time = queue(ledger, NOW + 11 * HOUR).pending(polled(ledger, at=NOW + 11 * HOUR), status=404)
    assert on_time.state is State.PENDING
    late = queue(ledger, NOW + 12 * HOUR).pending(polled(ledger, at=NOW + 12 * HOUR), status=404)
    assert (late.state, late.reason) == (State.PENDING, Reason.OVERDUE)
    assert queue(ledger).needing_a_person() == [late]
    assert queue(ledger, NOW + 13 * HOUR).ready(polled(ledger, at=NOW + 13 * HOUR), status=200).state is State.READY


@pytest.mark.parametrize("acknowledged", [True, False])
def test_after_a_day_an_export_is_lost_unless_the_vendor_says_that_it_is_at_work(
    ledger: Ledger, *, acknowledged: bool
) -> None:
    wanted(ledger)
    requested(ledger)
    at = NOW + DAY
    export = queue(ledger, at).pending(polled(ledger, at=at), status=404, acknowledged=acknowledged)
    assert export.reason is (Reason.OVERDUE if acknowledged else Reason.LOST)


def test_an_order_that_is_refused_for_half_a_day_is_shown_to_a_person(ledger: Ledger) -> None:
    wanted(ledger, 1)
    again = queue(ledger).refused(claimed(ledger), status=429, error="too many", retry_after_s=60)
    wanted(ledger, 2)
    assert queue(ledger, NOW + HOUR).needing_a_person() == []
    assert queue(ledger, NOW + 12 * HOUR).needing_a_person() == [again]


def test_what_is_ready_is_fetched_by_one_at_a_time_and_tried_again_under_another_key(ledger: Ledger) -> None:
    wanted(ledger)
    export = made_ready(ledger)
    at = NOW + HOUR
    (chance,) = queue(ledger, at).fetchable()
    assert queue(ledger, at).fetchable()[0].run_key == chance.run_key
    collection = queue(ledger, at).lease_to_fetch(export.id)
    assert collection is not None
    assert queue(ledger, at).fetchable() == []
    assert queue(ledger, at).lease_to_fetch(export.id) is None
    queue(ledger, at).not_fetched(collection, error="the body broke off")
    assert queue(ledger, at).fetchable() == []
    (again,) = queue(ledger, at + HOUR).fetchable()
    assert again.run_key != chance.run_key
    assert again.root.error == "the body broke off"


def test_who_takes_long_to_fetch_keeps_the_export_by_renewing(ledger: Ledger) -> None:
    wanted(ledger)
    export = made_ready(ledger)
    mine = queue(ledger, NOW + HOUR).lease_to_fetch(export.id)
    assert mine is not None
    queue(ledger, NOW + 2 * HOUR).renew(mine.root)
    assert queue(ledger, NOW + 2 * HOUR).lease_to_fetch(export.id) is None
    theirs = queue(ledger, NOW + 3 * HOUR).lease_to_fetch(export.id)
    assert theirs is not None
    with pytest.raises(ExportMovedOn):
        queue(ledger, NOW + 3 * HOUR).renew(mine.root)
    with pytest.raises(ExportMovedOn):
        queue(ledger, NOW + 3 * HOUR).landed(mine)
    assert queue(ledger, NOW + 3 * HOUR).landed(theirs).state is State.LANDED


def test_a_link_that_ran_out_before_the_file_was_fetched_is_asked_for_again(ledger: Ledger) -> None:
    wanted(ledger)
    export = made_ready(ledger)
    collection = queue(ledger, NOW + DAY).lease_to_fetch(export.id)
    assert collection is not None
    queue(ledger, NOW + DAY).lost(collection.parts[0], status=410, error="gone")
    queue(ledger, NOW + DAY).not_fetched(collection, error="a part is gone")
    assert claimed(ledger, at=NOW + DAY + HOUR).attempt == 2


def test_what_a_person_or_an_analyst_sees_holds_no_address_and_no_one(ledger: Ledger) -> None:
    wanted(ledger)
    export = requested(ledger)
    error = f"ada@example.com was in the answer of {ADDRESS} to Authorization: Bearer abcdefghijklmnop123"
    queue(ledger, NOW + HOUR).pending(polled(ledger), status=500, error=error)
    found = listing.listed(ledger)
    text = f"{found} {[listing.shown(one) for one in found]} {export} {found[0].error}"
    for secret in ("ada@", "s3cr3t", "abcdefgh", str(found[0].poll_address)):
        assert secret not in text


def test_an_address_is_forgotten_when_it_is_of_no_more_use(ledger: Ledger) -> None:
    export_id = made_ready_and_landed(ledger)
    assert export_of(ledger, export_id).poll_address is None


def test_lists_hold_what_is_under_way_unless_more_is_asked_for(ledger: Ledger) -> None:
    done = made_ready_and_landed(ledger)
    open_one = wanted(ledger, 5, at=NOW + HOUR)
    assert [export.id for export in listing.listed(ledger)] == [open_one.id]
    assert [export.id for export in listing.listed(ledger, with_ended=True)] == [done, open_one.id]
    assert listing.listed(ledger, connection="another") == []


def test_whoever_looks_again_is_told_of_the_orders_that_have_come_further_since(ledger: Ledger) -> None:
    first = wanted(ledger)
    wanted(ledger, 5)
    requested(ledger)
    step, moved = queue(ledger).moved_after(0, most=10)
    assert [[export.id for export in order] for order in moved] == [[first.id]]
    assert queue(ledger).moved_after(step, most=10) == (step, [])
    queue(ledger, NOW + HOUR).ready(polled(ledger), status=200)
    later, moved = queue(ledger).moved_after(step, most=10)
    assert later > step
    assert [order[0].state for order in moved] == [State.READY]
    halfway, moved = queue(ledger).moved_after(0, most=1)
    assert halfway < later
    assert len(moved) == 1
    assert queue(ledger, connection="another").moved_after(0, most=10) == (0, [])


def test_a_ledger_that_was_lost_is_told_of_from_its_beginning(ledger: Ledger) -> None:
    wanted(ledger)
    requested(ledger)
    step, moved = queue(ledger).moved_after(1_000, most=10)
    assert step < 1_000
    assert [order[0].state for order in moved] == [State.PENDING]


def test_a_request_that_is_refused_after_midnight_gives_the_new_day_nothing(ledger: Ledger) -> None:
    policy = replace(STEADY, asks_per_day=1)
    for day in range(3):
        wanted(ledger, day)
    midnight = NOW + 12 * HOUR
    late = claimed(ledger, at=midnight - SECOND, policy=policy)
    queue(ledger, midnight + SECOND, policy=policy).refused(late, status=500, error="no")
    assert queue(ledger, midnight + SECOND, policy=policy).next_to_ask() is not None
    assert queue(ledger, midnight + MINUTE, policy=policy).next_to_ask() is None
    assert queue(ledger, midnight + DAY, policy=policy).next_to_ask() is not None


ONE_A_DAY = replace(STEADY, asks_per_day=1)
MONTH = {"profile_events": 31 * DAY}


def test_after_an_outage_one_order_holds_all_missing_windows(ledger: Ledger) -> None:
    ids = [wanted(ledger, day, at=NOW + day * MINUTE).id for day in (0, 1, 4, 9)]
    at = NOW + HOUR
    asked = queue(ledger, at, policy=ONE_A_DAY, streams=MONTH).next_to_ask()
    assert asked is not None
    assert (asked.id, asked.window, asked.partition) == (ids[-1], order(0, days=10).window, "2026-11-01")
    assert (asked.position, asked.wanted_at) == (1, NOW)
    for merged in ids[:-1]:
        assert (export_of(ledger, merged).state, export_of(ledger, merged).reason) == (State.REPLACED, Reason.MERGED)
    assert queue(ledger).current(PROFILES, order(4).window) == asked
    with pytest.raises(ExportMovedOn):
        delivered(queue(ledger, at), ids[0], 0, ADDRESS)


def test_no_order_is_merged_past_the_longest_window(ledger: Ledger) -> None:
    for day in (0, 1, 30, 31):
        wanted(ledger, day)
    asked = [claimed_of(ledger, at) for at in (NOW, NOW + DAY)]
    assert [export.window for export in asked] == [order(0).window, order(1, days=31).window]


def claimed_of(ledger: Ledger, at: datetime) -> Export:
    export = queue(ledger, at, policy=ONE_A_DAY, streams=MONTH).next_to_ask()
    assert export is not None
    queue(ledger, at).asked(export)
    return export


def test_what_was_refused_waits_with_what_it_is_merged_into(ledger: Ledger) -> None:
    wanted(ledger, 0)
    first = queue(ledger, policy=ONE_A_DAY, streams=MONTH).next_to_ask()
    assert first is not None
    queue(ledger, policy=ONE_A_DAY).refused(first, status=503, error="no", retry_after_s=3600)
    second = wanted(ledger, 1, at=NOW + MINUTE)
    assert queue(ledger, NOW + MINUTE, policy=ONE_A_DAY, streams=MONTH).next_to_ask() is None
    asked = queue(ledger, NOW + HOUR, policy=ONE_A_DAY, streams=MONTH).next_to_ask()
    assert asked is not None
    assert (asked.id, asked.window, asked.tries) == (second.id, order(0, days=2).window, 1)


def test_a_late_file_of_a_merged_order_does_not_pass_for_all_that_it_was_merged_with(ledger: Ledger) -> None:
    wanted(ledger, 5)
    early = claimed(ledger, policy=ONE_A_DAY)
    queue(ledger, policy=ONE_A_DAY).unanswered(early, error="no answer")
    wanted(ledger, 3)
    merged = claimed_of(ledger, NOW + DAY)
    assert (merged.id, merged.window, merged.attempt) == (3, order(3, days=3).window, 1)
    late = queue(ledger, NOW + DAY)
    for answer in (
        lambda: late.asked(early),
        lambda: delivered(late, 1, 1, ADDRESS),
        lambda: late.ready(early, status=200),
    ):
        with pytest.raises(ExportMovedOn):
            answer()
    assert {export.state for export in listing.listed(ledger)} == {State.PENDING}


def test_orders_that_ask_for_something_else_or_are_with_the_vendor_are_not_merged(ledger: Ledger) -> None:
    with_vendor = wanted(ledger, 0)
    queue(ledger, policy=ONE_A_DAY).asked(claimed(ledger, policy=ONE_A_DAY))
    other = wanted(ledger, 1, sections=["other"])
    wanted(ledger, 2)
    at = NOW + DAY
    asked = queue(ledger, at, policy=ONE_A_DAY, streams=MONTH).next_to_ask()
    assert asked is not None
    assert (asked.id, asked.window) == (other.id, order(1).window)
    assert export_of(ledger, with_vendor.id).state is State.PENDING


def test_nothing_is_merged_where_the_vendor_limits_only_what_is_under_way(ledger: Ledger) -> None:
    ids = [wanted(ledger, day).id for day in range(3)]
    steady = queue(ledger, policy=STEADY, streams=MONTH)
    assert [export.id for _ in ids if (export := steady.next_to_ask())] == ids


def test_streams_of_one_connection_share_its_limit_and_can_be_served_apart(ledger: Ledger) -> None:
    profiles, emails = wanted(ledger), wanted(ledger, key=EMAILS)
    policy = ExportPolicy(pending_limit=1)
    asked = queue(ledger, policy=policy, streams={"email_events": DAY}).next_to_ask()
    assert asked is not None
    assert asked.id == emails.id
    assert queue(ledger, policy=policy, streams={"profile_events": DAY}).next_to_ask() is None
    queue(ledger, policy=policy).refused(asked, status=500, error="no")
    assert claimed(ledger, policy=policy).id == profiles.id


def test_an_export_that_nobody_knows_is_said_to_be_unknown(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="no export 7"):
        export_of(ledger, 7)
