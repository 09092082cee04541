from __future__ import annotations

import tracemalloc
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journey_pipeline.errors import ConfigError
from journey_pipeline.model import Window
from journey_pipeline.sandbox.world import Event, World
from journey_pipeline.sandbox.world.curve import busyness
from journey_pipeline_tests.examples import examples
from journey_pipeline_tests.sandbox.cases import Case

HOUR = timedelta(hours=1)
START = datetime(2026, 11, 18, 9, tzinfo=UTC)
WORLD = World(rows_per_hour=300, contacts=500, late_share=0.1, steady=True)


def hour_at(start: datetime, hours: int = 1) -> Window:
    return Window(start, start + hours * HOUR)


def told(world: World, window: Window) -> list[Event]:
    return list(world.events(window))


def fingerprint(events: list[Event]) -> list[tuple[object, ...]]:
    """What of an event can be compared between two worlds that were made apart."""
    return [(*event[:5], event.happening.activity.id, event.happening.status) for event in events]


@given(st.permutations(range(8)))
@settings(max_examples=examples(10))
def test_an_hour_is_the_same_whatever_was_asked_before(order: list[int]) -> None:
    fresh = World(rows_per_hour=300, contacts=500, late_share=0.1, steady=True)
    asked = {number: fingerprint(told(fresh, hour_at(START + number * HOUR))) for number in order}
    assert asked == {number: fingerprint(told(WORLD, hour_at(START + number * HOUR))) for number in range(8)}


@given(st.lists(st.integers(1, 3_599_999), max_size=12, unique=True))
@settings(max_examples=examples(30))
def test_any_sub_windows_of_an_hour_hold_exactly_its_events(cuts_ms: list[int]) -> None:
    bounds = [START + timedelta(milliseconds=cut) for cut in (0, *sorted(cuts_ms), 3_600_000)]
    parts = [event for start, end in pairwise(bounds) for event in WORLD.events(Window(start, end))]
    assert parts == told(WORLD, hour_at(START))


@given(st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1)))  # noqa: DTZ001 - made aware below
@settings(max_examples=examples(20))
def test_any_hour_of_any_year_has_events_inside_of_it(at: datetime) -> None:
    window = hour_at(at.replace(minute=0, second=0, microsecond=0, tzinfo=UTC))
    events = told(WORLD, window)
    assert len(events) > 100
    assert all(window.start <= event.occurred_at < window.end for event in events)
    assert [event[:2] for event in events] == sorted(event[:2] for event in events)


def test_another_seed_is_another_world() -> None:
    other = World(seed=8, rows_per_hour=300, contacts=500, steady=True)
    assert {event.id for event in told(other, hour_at(START))}.isdisjoint(e.id for e in told(WORLD, hour_at(START)))
    assert other.catalog[0].id != WORLD.catalog[0].id


def test_an_average_hour_has_as_many_rows_as_the_world_was_asked_for() -> None:
    day = Window(START, START + timedelta(hours=24))
    assert World(rows_per_hour=2_000, steady=True).count(day) / 24 == pytest.approx(2_200, rel=0.1)  # silent ones too


def test_a_week_follows_the_curve_and_its_mean_is_one() -> None:
    week = [busyness(hour) for hour in range(7 * 24)]
    assert sum(week) / len(week) == pytest.approx(1)
    nine_on_friday, three_on_sunday = datetime(2026, 11, 20, 9, tzinfo=UTC), datetime(2026, 11, 22, 3, tzinfo=UTC)
    world = World(rows_per_hour=1_000)
    assert world.count(hour_at(nine_on_friday)) > 2 * world.count(hour_at(three_on_sunday)) > 0


def test_every_event_of_two_days_has_an_identity_of_its_own() -> None:
    events = told(WORLD, hour_at(START, 48))
    assert len({event.id for event in events}) == len(events)


def test_a_passage_goes_through_the_steps_of_its_plan_in_order() -> None:
    reach_h = WORLD.reach // HOUR
    window = hour_at(START, 2 * reach_h)
    passages: dict[str, list[Event]] = defaultdict(list)
    for event in WORLD.events(window):
        passages[event.passage_id].append(event)
    whole = [events for events in passages.values() if events[0].occurred_at < START + (reach_h - 1) * HOUR]
    whole = [events for events in whole if events[0].happening.activity is events[0].happening.version.activities[0]]
    assert len(whole) > 300
    for events in whole:
        ordered = sorted(
            events, key=lambda event: list(event.happening.version.activities).index(event.happening.activity)
        )
        assert [e.occurred_ms for e in ordered] == sorted(e.occurred_ms for e in events)
        assert len({(e.person_number, e.happening.version.definition_id) for e in events}) == 1
        for event, after in pairwise(ordered):
            assert event.happening.next_activity is after.happening.activity
        assert ordered[-1].happening.next_activity is None
        assert all(event.happening.status != "Failed" for event in ordered[:-1])
    ends = Counter(events[-1].happening.activity.type.lower() for events in whole)
    assert {"goalcriteriaactivity", "exitcriteriaactivity", "stopinteractionactivity", "emailv2"} <= set(ends)


def test_a_wait_takes_as_long_as_the_plan_says() -> None:
    events = told(WORLD, hour_at(START, 60))
    entered = {
        e.passage: e.occurred_ms for e in events if e.happening.activity.type.lower() == "startinteractionactivity"
    }
    waited = [e for e in events if e.happening.activity.name == "Wait 1 hour" and e.passage in entered]
    assert len(waited) > 50
    assert all(0 <= e.occurred_ms - entered[e.passage] - 3_600_000 < 300_000 for e in waited)


def test_contacts_come_again_and_some_events_share_their_millisecond() -> None:
    events = told(WORLD, hour_at(START, 12))
    entries = Counter(e.person_number for e in events if e.happening.activity is e.happening.version.activities[0])
    assert max(entries.values()) > 2
    assert max(Counter(event.occurred_ms for event in events).values()) > 1


def test_the_first_event_of_every_hour_lies_exactly_on_it() -> None:
    for number in range(6):
        assert next(WORLD.events(hour_at(START + number * HOUR))).occurred_at == START + number * HOUR


def test_events_become_visible_within_the_lag_and_a_share_hours_later() -> None:
    delays_s = [(e.visible_at - e.occurred_at).total_seconds() for e in WORLD.events(hour_at(START, 24))]
    late = [delay for delay in delays_s if delay > WORLD.lag_s]
    assert len(late) / len(delays_s) == pytest.approx(WORLD.late_share, abs=0.02)
    assert min(delays_s) > 0
    assert all(WORLD.lag_s + 3_600 <= delay <= WORLD.lag_s + WORLD.late_h * 3_600 for delay in late)


def test_what_is_visible_at_an_instant_can_be_counted() -> None:
    window = hour_at(START)
    everything = WORLD.count(window)
    assert WORLD.count(window, visible_at=START) == 0
    after_lag = WORLD.count(window, visible_at=window.end + timedelta(seconds=WORLD.lag_s))
    assert 0 < after_lag < everything
    assert WORLD.count(window, visible_at=window.end + timedelta(hours=WORLD.late_h + 1)) == everything


def test_two_versions_of_a_journey_run_at_once_and_share_no_step() -> None:
    journey = WORLD.catalog[0]
    seen = {e.happening.version.number for e in WORLD.events(hour_at(START, 6)) if e.happening.journey is journey}
    assert seen == {1, 2}
    first, second = journey.versions
    assert first.definition_id == journey.id != second.definition_id
    assert {a.id for a in first.activities}.isdisjoint(a.id for a in second.activities)
    assert [a.key for a in first.activities] == [a.key for a in second.activities]


def test_people_have_several_identities_and_odd_ones_among_them() -> None:
    people = {event.person for event in WORLD.events(hour_at(START, 48))}
    assert {"NULL", "007", "Ana.Berg+news@example.org", "c-1a", "C-1A"} <= {person.contact_key for person in people}
    assert len({person.email for person in people}) == len({person.visitor_id for person in people}) == len(people)
    assert not any(mark in person.contact_key for person in people for mark in ',"\r\n\t')


@pytest.mark.slow(reason="a big hour is made")
def test_memory_does_not_grow_with_the_rows_of_an_hour() -> None:
    big = World(rows_per_hour=30_000, steady=True)
    tracemalloc.start()
    try:
        assert big.count(hour_at(START)) > 25_000
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 4_000_000


def test_memory_does_not_grow_with_the_hours_that_were_asked() -> None:
    world = World(rows_per_hour=200, steady=True)
    world.count(hour_at(START))
    tracemalloc.start()
    try:
        for number in range(0, 40_000, 1_000):
            world.count(hour_at(START + number * HOUR))
        kept_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept_bytes < 1_000_000


def test_a_world_that_can_not_be_is_refused(case: Case) -> None:
    for wrong in [{"contacts": 0}, {"rows_per_hour": -1}, {"late_share": 1.5}, {"journeys": 0}, {"lag_s": 0}]:
        with case(wrong=wrong), pytest.raises(ConfigError, match=next(iter(wrong))):
            World(**wrong)


def test_a_plausible_world_differs_from_a_hostile_one_in_names_alone_and_none_of_them_breaks_a_reader() -> None:
    plausible = World(rows_per_hour=300, contacts=500, late_share=0.1, steady=True, names="plausible")
    assert fingerprint(told(plausible, hour_at(START))) == fingerprint(told(WORLD, hour_at(START)))
    steps = [step.name for journey in plausible.catalog for version in journey.versions for step in version.activities]
    ads = [point.touch.campaign or "" for point in plausible.touchpoints(hour_at(START, 24))]
    names = {*steps, *ads, *(journey.name for journey in plausible.catalog)}
    assert len(names) > len(plausible.catalog)
    assert [name for name in names if not name.isascii() or not name.isprintable() or name != name.strip(" =")] == []
    hostile = {journey.name for journey in WORLD.catalog}
    assert any("\n" in name for name in hostile)
    assert any(not name.isascii() for name in hostile)
