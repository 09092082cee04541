"""An export that is too large for its vendor: smaller ones stand in for it, and land all together."""

from __future__ import annotations

import pytest

from journey_pipeline.errors import ConfigError, ExportMovedOn
from journey_pipeline.exports import listing
from journey_pipeline.exports.answers import answered, expired, failed, landed, not_fetched, ready, stopped
from journey_pipeline.exports.claims import claim_to_ask, claim_to_collect, collectable, next_due_at
from journey_pipeline.exports.export import Export, SmallerOrder
from journey_pipeline.exports.ledger import Ledger
from journey_pipeline.exports.orders import split, want
from journey_pipeline.exports.states import State
from journey_pipeline.model import Window
from journey_pipeline_tests.exports.made_orders import (
    DAY,
    HOUR,
    NOW,
    POLICY,
    claimed,
    order,
    polled,
    requested,
    wanted,
)


def halves(export: Export) -> list[SmallerOrder]:
    return [SmallerOrder(window, export.request) for window in export.window.halves()]


def split_in_two(ledger: Ledger) -> tuple[Export, list[Export]]:
    root = wanted(ledger)
    requested(ledger)
    return root, split(ledger, polled(ledger), halves(root), at=NOW)


def make_ready(ledger: Ledger, export: Export) -> Export:
    asked = claimed(ledger, at=NOW + HOUR)
    assert asked.id == export.id
    answered(ledger, asked, POLICY, at=NOW + HOUR)
    return ready(ledger, polled(ledger, at=NOW + 2 * HOUR), at=NOW + 2 * HOUR, status=200)


def test_parts_land_together_or_not_at_all(ledger: Ledger) -> None:
    root, (first, second) = split_in_two(ledger)
    make_ready(ledger, first)
    assert collectable(ledger, "apsis", at=NOW + DAY) == []
    assert claim_to_collect(ledger, root.id, POLICY, at=NOW + DAY) is None
    make_ready(ledger, second)
    (found,) = collectable(ledger, "apsis", at=NOW + DAY)
    assert (found.root.id, [part.id for part in found.parts]) == (root.id, [first.id, second.id])
    collection = claim_to_collect(ledger, root.id, POLICY, at=NOW + DAY)
    assert collection is not None
    assert landed(ledger, collection, at=NOW + DAY).state is State.LANDED
    assert {export.state for export in listing.listed(ledger, with_ended=True)} == {State.LANDED}


def test_a_part_that_waits_for_the_others_is_nothing_to_do(ledger: Ledger) -> None:
    _, (first, second) = split_in_two(ledger)
    make_ready(ledger, first)
    waiting = answered(ledger, claimed(ledger, at=NOW + DAY), POLICY, at=NOW + DAY)
    assert waiting.id == second.id
    assert next_due_at(ledger, "apsis", POLICY, at=NOW + DAY) == waiting.due_at


def test_parts_are_asked_for_in_the_place_of_the_whole(ledger: Ledger) -> None:
    root = wanted(ledger, 0)
    requested(ledger)
    later = wanted(ledger, 1)
    parts = split(ledger, polled(ledger), halves(root), at=NOW)
    assert [claimed(ledger).id for _ in range(3)] == [parts[0].id, parts[1].id, later.id]


def test_a_part_can_be_split_again(ledger: Ledger) -> None:
    root, (first, second) = split_in_two(ledger)
    requested(ledger)
    quarters = split(ledger, polled(ledger), halves(first), at=NOW)
    assert [part.root_id for part in quarters] == [root.id, root.id]
    for part in (second, *quarters):
        make_ready(ledger, part)
    collection = claim_to_collect(ledger, root.id, POLICY, at=NOW + DAY)
    assert collection is not None
    assert [part.id for part in collection.parts] == [quarters[0].id, quarters[1].id, second.id]
    landed(ledger, collection, at=NOW + DAY)
    assert listing.listed(ledger) == []


def test_event_types_can_be_split_within_one_window(ledger: Ledger) -> None:
    root = wanted(ledger, events=["open", "click"])
    requested(ledger)
    smaller = [SmallerOrder(root.window, {"events": [event]}) for event in ("open", "click")]
    parts = split(ledger, polled(ledger), smaller, at=NOW)
    assert [part.request for part in parts] == [{"events": ["open"]}, {"events": ["click"]}]


def test_what_failed_too_often_can_be_split_instead_of_waiting_for_a_person(ledger: Ledger) -> None:
    root = wanted(ledger)
    at = NOW
    for _ in range(3):
        broken = failed(ledger, requested(ledger, at=at), POLICY, at=at, status=503, error="processing failed")
        at = broken.due_at
    assert broken.state is State.STOPPED
    split(ledger, broken, halves(root), at=at)
    assert listing.stopped_in(ledger, root.id) == []


def test_a_part_that_is_gone_is_made_again_and_the_others_are_kept(ledger: Ledger) -> None:
    root, (first, second) = split_in_two(ledger)
    for part in (first, second):
        make_ready(ledger, part)
    collection = claim_to_collect(ledger, root.id, POLICY, at=NOW + DAY)
    assert collection is not None
    expired(ledger, collection.parts[0], POLICY, at=NOW + DAY, status=410, error="gone")
    with pytest.raises(ExportMovedOn, match="have changed"):
        landed(ledger, collection, at=NOW + DAY)
    not_fetched(ledger, collection, POLICY, at=NOW + DAY, error="a part is gone")
    assert collectable(ledger, "apsis", at=NOW + 2 * DAY) == []
    again = claimed(ledger, at=NOW + 2 * DAY)
    assert again.id == first.id
    answered(ledger, again, POLICY, at=NOW + 2 * DAY)
    ready(ledger, polled(ledger, at=NOW + 3 * DAY), at=NOW + 3 * DAY, status=200)
    (found,) = collectable(ledger, "apsis", at=NOW + 3 * DAY)
    assert [part.attempt for part in found.parts] == [2, 1]


def test_an_order_whose_part_stopped_is_found_and_goes_on_when_a_person_says_so(ledger: Ledger) -> None:
    root, (first, _) = split_in_two(ledger)
    stopped(ledger, claimed(ledger), at=NOW, status=400, error="wrong")
    assert want(ledger, order(), at=NOW).id == root.id
    assert [export.id for export in listing.stopped_in(ledger, root.id)] == [first.id]
    want(ledger, order(), at=NOW, again=True)
    assert listing.stopped_in(ledger, root.id) == []


def test_a_changed_order_replaces_a_split_one_with_all_its_parts(ledger: Ledger) -> None:
    split_in_two(ledger)
    stopped(ledger, claimed(ledger), at=NOW, status=400, error="wrong")
    better = wanted(ledger, sections=["other"])
    assert [export.id for export in listing.listed(ledger)] == [better.id]
    assert claimed(ledger).id == better.id
    assert claim_to_ask(ledger, "apsis", POLICY, at=NOW) is None


def test_parts_that_leave_a_time_out_are_refused(ledger: Ledger) -> None:
    root = wanted(ledger)
    requested(ledger)
    export = polled(ledger)
    first, second = root.window.halves()
    outside = Window(root.window.start, root.window.end + HOUR)
    for windows in ([first], [first, first], [second, second], [root.window, first], [first, outside]):
        with pytest.raises(ConfigError, match="can't be split"):
            split(ledger, export, [SmallerOrder(window, export.request) for window in windows], at=NOW)
    assert listing.get(ledger, export.id) == export
