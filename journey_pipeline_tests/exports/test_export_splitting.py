"""An export that is too large for its vendor: smaller ones stand in for it, and land all together."""

from __future__ import annotations

import pytest

from journey_pipeline.errors import ConfigError, ExportMovedOn
from journey_pipeline.exports import turns as listing
from journey_pipeline.exports.export import Export, Order, State
from journey_pipeline.exports.ledger import Ledger
from journey_pipeline.model import Window
from journey_pipeline_tests.exports.made_orders import (
    DAY,
    HOUR,
    NOW,
    claimed,
    export_of,
    order,
    polled,
    queue,
    requested,
    stopped_in,
    wanted,
)


def halves(export: Export) -> list[Order]:
    return [export.order(window, export.request) for window in export.window.halves()]


def split_in_two(ledger: Ledger) -> tuple[Export, list[Export]]:
    root = wanted(ledger)
    requested(ledger)
    return root, queue(ledger).split(polled(ledger), halves(root))


def make_ready(ledger: Ledger, export: Export) -> Export:
    asked = claimed(ledger, at=NOW + HOUR)
    assert asked.id == export.id
    queue(ledger, NOW + HOUR).asked(asked)
    return queue(ledger, NOW + 2 * HOUR).ready(polled(ledger, at=NOW + 2 * HOUR), status=200)


def test_parts_land_together_or_not_at_all(ledger: Ledger) -> None:
    root, (first, second) = split_in_two(ledger)
    make_ready(ledger, first)
    assert queue(ledger, NOW + DAY).fetchable() == []
    assert queue(ledger, NOW + DAY).lease_to_fetch(root.id) is None
    make_ready(ledger, second)
    (found,) = queue(ledger, NOW + DAY).fetchable()
    assert (found.root.id, [part.id for part in found.parts]) == (root.id, [first.id, second.id])
    collection = queue(ledger, NOW + DAY).lease_to_fetch(root.id)
    assert collection is not None
    assert queue(ledger, NOW + DAY).landed(collection).state is State.LANDED
    assert {export.state for export in listing.listed(ledger, with_ended=True)} == {State.LANDED}


def test_a_part_that_waits_for_the_others_is_nothing_to_do(ledger: Ledger) -> None:
    _, (first, second) = split_in_two(ledger)
    make_ready(ledger, first)
    waiting = queue(ledger, NOW + DAY).asked(claimed(ledger, at=NOW + DAY))
    assert waiting.id == second.id
    assert queue(ledger, NOW + DAY).next_due_at() == waiting.due_at


def test_parts_are_asked_for_in_the_place_of_the_whole(ledger: Ledger) -> None:
    root = wanted(ledger, 0)
    requested(ledger)
    later = wanted(ledger, 1)
    parts = queue(ledger).split(polled(ledger), halves(root))
    assert [claimed(ledger).id for _ in range(3)] == [parts[0].id, parts[1].id, later.id]


def test_a_part_can_be_split_again(ledger: Ledger) -> None:
    root, (first, second) = split_in_two(ledger)
    requested(ledger)
    quarters = queue(ledger).split(polled(ledger), halves(first))
    assert [part.root_id for part in quarters] == [root.id, root.id]
    for part in (second, *quarters):
        make_ready(ledger, part)
    collection = queue(ledger, NOW + DAY).lease_to_fetch(root.id)
    assert collection is not None
    assert [part.id for part in collection.parts] == [quarters[0].id, quarters[1].id, second.id]
    queue(ledger, NOW + DAY).landed(collection)
    assert listing.listed(ledger) == []


def test_event_types_can_be_split_within_one_window(ledger: Ledger) -> None:
    root = wanted(ledger, events=["open", "click"])
    requested(ledger)
    smaller = [root.order(root.window, {"events": [event]}) for event in ("open", "click")]
    parts = queue(ledger).split(polled(ledger), smaller)
    assert [part.request for part in parts] == [{"events": ["open"]}, {"events": ["click"]}]


def test_what_failed_too_often_can_be_split_instead_of_waiting_for_a_person(ledger: Ledger) -> None:
    root = wanted(ledger)
    at = NOW
    for _ in range(3):
        broken = queue(ledger, at).failed(requested(ledger, at=at), status=503, error="processing failed")
        at = broken.due_at
    assert broken.state is State.STOPPED
    queue(ledger, at).split(broken, halves(root))
    assert stopped_in(ledger, root.id) == []


def test_a_part_that_is_gone_is_made_again_and_the_others_are_kept(ledger: Ledger) -> None:
    root, (first, second) = split_in_two(ledger)
    for part in (first, second):
        make_ready(ledger, part)
    collection = queue(ledger, NOW + DAY).lease_to_fetch(root.id)
    assert collection is not None
    queue(ledger, NOW + DAY).lost(collection.parts[0], status=410, error="gone")
    with pytest.raises(ExportMovedOn, match="have changed"):
        queue(ledger, NOW + DAY).landed(collection)
    queue(ledger, NOW + DAY).not_fetched(collection, error="a part is gone")
    assert queue(ledger, NOW + 2 * DAY).fetchable() == []
    again = claimed(ledger, at=NOW + 2 * DAY)
    assert again.id == first.id
    queue(ledger, NOW + 2 * DAY).asked(again)
    queue(ledger, NOW + 3 * DAY).ready(polled(ledger, at=NOW + 3 * DAY), status=200)
    (found,) = queue(ledger, NOW + 3 * DAY).fetchable()
    assert [part.attempt for part in found.parts] == [2, 1]


def test_an_order_whose_part_stopped_is_found_and_goes_on_when_a_person_says_so(ledger: Ledger) -> None:
    root, (first, _) = split_in_two(ledger)
    queue(ledger).stopped(claimed(ledger), status=400, error="wrong")
    assert queue(ledger).want(order()).id == root.id
    assert [export.id for export in stopped_in(ledger, root.id)] == [first.id]
    queue(ledger).want(order(), again=True)
    assert stopped_in(ledger, root.id) == []


def test_a_changed_order_replaces_a_split_one_with_all_its_parts(ledger: Ledger) -> None:
    split_in_two(ledger)
    queue(ledger).stopped(claimed(ledger), status=400, error="wrong")
    better = wanted(ledger, sections=["other"])
    assert [export.id for export in listing.listed(ledger)] == [better.id]
    assert claimed(ledger).id == better.id
    assert queue(ledger).next_to_ask() is None


def test_parts_that_leave_a_time_out_are_refused(ledger: Ledger) -> None:
    root = wanted(ledger)
    requested(ledger)
    export = polled(ledger)
    first, second = root.window.halves()
    outside = Window(root.window.start, root.window.end + HOUR)
    for windows in ([first], [first, first], [second, second], [root.window, first], [first, outside]):
        with pytest.raises(ConfigError, match="can't be split"):
            queue(ledger).split(export, [export.order(window, export.request) for window in windows])
    assert export_of(ledger, export.id) == export
