"""What LayerFive can tell about: the shop's visits, and since when it is known who made them."""

from __future__ import annotations

import hashlib
import tracemalloc
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journey_pipeline.errors import ConfigError
from journey_pipeline.model import Window
from journey_pipeline.sandbox.world import Touchpoint, World
from journey_pipeline.sandbox.world.crowds import NEVER_MS
from journey_pipeline.sandbox.world.individuals import cohort_of, individual, number_of, visitor_number
from journey_pipeline.sandbox.world.sessions import DAY_MS
from journey_pipeline_tests.examples import examples
from journey_pipeline_tests.sandbox.cases import Case

DAY = timedelta(days=1)
START = datetime(2026, 11, 18, tzinfo=UTC)
WORLD = World(touchpoints_per_day=400, contacts=1_000, steady=True)


def days_at(start: datetime, days: int = 1) -> Window:
    return Window(start, start + days * DAY)


def told(world: World, window: Window) -> Counter[Touchpoint]:
    return Counter(world.touchpoints(window))


def days_since_1970(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // DAY


@given(st.permutations(range(6)))
@settings(max_examples=examples(5))
def test_a_day_is_the_same_whatever_was_asked_before(order: list[int]) -> None:
    fresh = World(touchpoints_per_day=400, contacts=1_000, steady=True)
    asked = {number: told(fresh, days_at(START + number * DAY)) for number in order}
    assert asked == {number: told(WORLD, days_at(START + number * DAY)) for number in range(6)}


@given(st.lists(st.integers(1, 3 * DAY_MS - 1), max_size=6, unique=True))
@settings(max_examples=examples(10))
def test_any_parts_of_three_days_hold_exactly_their_touchpoints(cuts_ms: list[int]) -> None:
    bounds = [START + timedelta(milliseconds=cut) for cut in (0, *sorted(cuts_ms), 3 * DAY_MS)]
    parts = sum((told(WORLD, Window(start, end)) for start, end in pairwise(bounds)), Counter[Touchpoint]())
    assert parts == told(WORLD, days_at(START, 3))


@given(st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1)))  # noqa: DTZ001 - made aware below
@settings(max_examples=examples(10))
def test_any_day_of_any_year_has_touchpoints_inside_of_it(at: datetime) -> None:
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=UTC)
    start_ms = days_since_1970(midnight) * DAY_MS
    occurred_ms = [touchpoint.occurred_ms for touchpoint in WORLD.touchpoints(days_at(midnight))]
    assert len(occurred_ms) > 200
    assert start_ms == min(occurred_ms) <= max(occurred_ms) < start_ms + DAY_MS


def test_an_average_day_has_as_many_touchpoints_as_the_world_was_asked_for() -> None:
    count = sum(1 for _ in World(touchpoints_per_day=3_000).touchpoints(days_at(START, 14)))
    assert count / 14 == pytest.approx(3_000, rel=0.1)
    assert not told(World(touchpoints_per_day=0), days_at(START))


def test_another_seed_is_another_world() -> None:
    assert not told(World(seed=8, touchpoints_per_day=400), days_at(START)) & told(WORLD, days_at(START))


def test_the_journeys_are_what_they_were_before_anybody_visited_the_shop() -> None:
    world = World(rows_per_hour=300, contacts=500, late_share=0.1, steady=True)
    digest = hashlib.blake2b(digest_size=8)
    for event in world.events(Window(START + timedelta(hours=9), START + timedelta(hours=15))):
        digest.update(repr((*event[:5], event.happening.activity.id, event.happening.status)).encode())
    assert digest.hexdigest() == "9ef024c0dae184bb"


def test_customers_are_known_for_years_and_a_share_of_visitors_within_89_days() -> None:
    world = World(touchpoints_per_day=4_000, known_share=0.3, steady=True)
    first_day = days_since_1970(START)
    of_person: dict[int, list[Touchpoint]] = defaultdict(list)
    for touchpoint in world.touchpoints(days_at(START, 102)):
        of_person[touchpoint.person_number].append(touchpoint)
    customers = [touches for number, touches in of_person.items() if cohort_of(number) is None]
    assert all(touches[0].known_ms < first_day * DAY_MS - 5 * 365 * DAY_MS for touches in customers)
    cohort = [touches for number, touches in of_person.items() if (cohort_of(number) or (0, 0))[0] == first_day]
    known = [touches for touches in cohort if touches[0].known_ms != NEVER_MS]
    assert len(known) / len(cohort) == pytest.approx(0.3, abs=0.1)
    delays_days = [(touches[0].known_ms - touches[0].occurred_ms) / DAY_MS for touches in known]
    assert 0 <= min(delays_days) < 1
    assert 60 < max(delays_days) < 89


def test_who_becomes_known_signs_up_at_that_moment_and_once() -> None:
    sign_ups = [t for t in WORLD.touchpoints(days_at(START, 10)) if t.touch.event_type == "sign_up"]
    assert len(sign_ups) > 50
    assert all(touchpoint.occurred_ms == touchpoint.known_ms for touchpoint in sign_ups)
    assert len({touchpoint.person_number for touchpoint in sign_ups}) == len(sign_ups)


def test_some_visitors_come_again_up_to_a_hundred_days_after_the_first_visit() -> None:
    first_day = days_since_1970(START)
    last = [
        touchpoint.occurred_ms / DAY_MS - first_day
        for touchpoint in WORLD.touchpoints(days_at(START, 120))
        if (cohort_of(touchpoint.person_number) or (0, 0))[0] == first_day
    ]
    assert 60 < max(last) < 101


def test_two_touches_can_be_alike_in_everything() -> None:
    repeats = Counter(told(WORLD, days_at(START, 5)).values())
    assert repeats[2] > 20
    assert set(repeats) == {1, 2}


def test_there_are_touches_of_every_kind_from_every_source() -> None:
    touches = [touchpoint.touch for touchpoint in WORLD.touchpoints(days_at(START, 20))]
    assert {touch.event_type for touch in touches} == {
        "page_view", "click", "purchase", "sign_up", "email_open", "email_click"
    }  # fmt: skip
    assert len({touch.source.channel for touch in touches}) == 8
    campaigns = {touch.campaign for touch in touches if touch.source.medium == "email"}
    assert campaigns <= {journey.name for journey in WORLD.catalog}
    assert any('"' in name for name in campaigns if name)


def test_one_person_alone_has_the_touches_that_they_have_among_all() -> None:
    window = days_at(START, 5)
    start_ms = days_since_1970(START) * DAY_MS
    of_person: dict[int, list[Touchpoint]] = defaultdict(list)
    for touchpoint in WORLD.touchpoints(window):
        of_person[touchpoint.person_number].append(touchpoint)
    assert any(cohort_of(number) is None for number in of_person)
    for number, touches in list(of_person.items())[:: len(of_person) // 50]:
        alone = WORLD.visits.of_person(number, start_ms, start_ms + 5 * DAY_MS)
        assert alone is not None
        assert list(alone) == touches
        assert (WORLD.visits.known_ms(number) or NEVER_MS) == touches[0].known_ms


def test_nobody_has_a_number_that_nobody_has() -> None:
    for number in (1_000, visitor_number(days_since_1970(START), 100_000)):
        assert WORLD.visits.of_person(number, 0, DAY_MS) is None
        assert WORLD.visits.known_ms(number) is None


@given(st.one_of(st.integers(0, 10**6), st.builds(visitor_number, st.integers(-10_000, 80_000), st.integers(0, 10**6))))
def test_an_address_leads_back_to_its_person_in_any_case(number: int) -> None:
    email = individual(number).email
    assert number_of(email) == number_of(email.lower()) == number_of(email.upper()) == number


def test_an_address_that_is_not_of_this_world_leads_to_nobody(case: Case) -> None:
    for email in [
        "",
        "ana@example.org",
        "person.007@example.org",
        "person.7@example.org",
        "guest.1@example.org",
        "p@q",
    ]:
        with case(email=email):
            assert number_of(email) is None


@pytest.mark.slow(reason="many days are made")
def test_memory_grows_neither_with_the_days_of_a_span_nor_with_those_that_were_asked() -> None:
    world = World(touchpoints_per_day=20_000, steady=True)
    world.visits.known_ms(0)

    def peak_bytes(days: int) -> int:
        tracemalloc.start()
        try:
            assert sum(1 for _ in world.touchpoints(days_at(START, days))) > 15_000 * days
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak_bytes(12) < 2 * peak_bytes(3)


@pytest.mark.parametrize("wrong", [{"touchpoints_per_day": -1}, {"known_share": 1.5}])
def test_a_shop_that_can_not_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        World(**wrong)
