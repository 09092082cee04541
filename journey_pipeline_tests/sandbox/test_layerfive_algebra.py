"""L2: which events an answer holds, compared with the contract's formula written down once more."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any, Literal

import pytest

from journey_pipeline.model import Window, iso
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.world import Touchpoint, World
from journey_pipeline.sandbox.world.world import instant
from journey_pipeline_tests.sandbox.cases import Case
from journey_pipeline_tests.sandbox.layerfive_caller import DAY, NOW, LayerFiveCaller, bag, day

Reading = Literal["asking", "known"]
NINETY = 90 * DAY


@pytest.fixture(scope="session")
def happened(world: World) -> list[Touchpoint]:
    """Everything that any of the answers below could hold, and more."""
    return list(world.touchpoints(Window(NOW - 200 * DAY, NOW + 3 * DAY)))


def by_the_formula(happened: list[Touchpoint], since: datetime, asked_at: datetime, reading: Reading) -> Counter[Any]:
    found: Counter[Any] = Counter()
    for touchpoint in happened:
        occurred_at, known_ms = instant(touchpoint.occurred_ms), touchpoint.known_ms
        if known_ms > (asked_at - instant(0)) / timedelta(milliseconds=1) or occurred_at > asked_at:
            continue
        known_at = instant(known_ms)
        reach = asked_at if reading == "asking" else known_at
        if occurred_at >= since or (known_at >= since and occurred_at >= reach - NINETY):
            found[touchpoint.individual.id, iso(occurred_at), touchpoint.touch.event_type] += 1
    return found


def told(records: list[dict[str, Any]]) -> Counter[Any]:
    return Counter((record["individual_id"], record["event_time"], record["event_type"]) for record in records)


@pytest.mark.slow(reason="many requests")
def test_an_answer_holds_what_the_formula_says(
    sandbox: Sandbox, layerfive: LayerFiveCaller, happened: list[Touchpoint], case: Case
) -> None:
    for reading, since in product(["asking", "known"], ["2026-11-20", "2026-11-19", "2026-10-02", "2026-08-23"]):
        with case(reading=reading, since=since):
            sandbox.options.layerfive.history_from = reading
            records = layerfive.records(event_date=since)
            assert told(records) == by_the_formula(happened, day(since).start, NOW, reading)
            assert bag(records) == bag(sandbox.layerfive.truth(day(since)))
            assert sandbox.layerfive.count(day(since)) == len(records)


def test_the_bounds_belong_to_the_answer(sandbox: Sandbox, layerfive: LayerFiveCaller) -> None:
    sandbox.clock.set(datetime(2026, 11, 20, tzinfo=UTC))
    times = {record["event_time"] for record in layerfive.records(event_date="2026-11-19")}
    assert {"2026-11-19T00:00:00Z", "2026-11-20T00:00:00Z"} <= times
    news = next(
        one
        for one in sandbox.layerfive.truth(day("2026-11-19"))
        if one["known_since"] > "2026-11-19" and one["event_type"] == "sign_up"
    )
    known_at = datetime.fromisoformat(news["known_since"])
    sandbox.clock.set(known_at)
    assert news in layerfive.records(event_date="2026-11-19")
    sandbox.clock.set(known_at - timedelta(milliseconds=1))
    assert news["individual_id"] not in {one["individual_id"] for one in layerfive.records(event_date="2026-11-19")}


def test_the_worked_example_of_the_contract(
    sandbox: Sandbox, layerfive: LayerFiveCaller, happened: list[Touchpoint]
) -> None:
    """Ben becomes known on the 19th at some hour of the day, having visited on days long before."""
    noon = Window(datetime(2026, 11, 19, 3, tzinfo=UTC), datetime(2026, 11, 19, 23, tzinfo=UTC))
    ben = next(
        touchpoint.individual.id
        for touchpoint in happened
        if noon.start <= instant(min(touchpoint.known_ms, 10**14)) < noon.end
        and instant(touchpoint.occurred_ms) < noon.start - 10 * DAY
    )
    past = {}
    for run in (18, 19, 20):
        sandbox.clock.set(datetime(2026, 11, run + 1, 2, tzinfo=UTC))
        records = layerfive.records(event_date=f"2026-11-{run}")
        mine = [record["event_time"][:10] for record in records if record["individual_id"] == ben]
        past[run] = sum(at < f"2026-11-{run}" for at in mine)
        ana = sorted(record["event_time"][:10] for record in records if record["individual_id"] == "p-0")
        assert (ana[0], ana[-1]) == (f"2026-11-{run}", f"2026-11-{run + 1}")
    assert past[18] == past[20] == 0 < past[19]


def test_an_answer_holds_the_next_days_answer_but_for_what_people_who_became_known_bring_along(
    sandbox: Sandbox,
) -> None:
    first, second = (bag(sandbox.layerfive.truth(day(f"2026-11-{number}"))) for number in (18, 19))
    assert not second - first
    later = bag(sandbox.layerfive.truth(day("2026-11-18"), asked_at=NOW + 30 * DAY))
    assert first - later, "what lay at the edge of the ninety days is gone when the same day is asked for again"


def test_a_date_before_the_retention_gets_what_is_left(sandbox: Sandbox, layerfive: LayerFiveCaller) -> None:
    sandbox.options.layerfive.retention_days = 10
    records = layerfive.records(event_date="2026-10-01")
    old = [one for one in records if one["event_time"] < iso(NOW - 10 * DAY)]
    assert old
    assert all(one["known_since"] >= iso(NOW - 10 * DAY) for one in old)


@pytest.mark.parametrize("reading", ["asking", "known"])
def test_a_daily_client_comes_to_know_the_union_of_its_answers_and_nothing_else(
    sandbox: Sandbox, reading: Reading
) -> None:
    sandbox.options.layerfive.history_from = reading
    runs = [day(f"2026-11-{number:02d}") for number in range(10, 19)]
    union: Counter[bytes] = Counter()
    for run in runs:
        union |= bag(sandbox.layerfive.truth(run, asked_at=run.end + timedelta(hours=2)))
    assert union == bag(sandbox.layerfive.known_events(Window(runs[0].start, runs[-1].end)))


def test_what_a_missed_day_brought_is_lost_with_its_past_unless_it_is_asked_for_again(sandbox: Sandbox) -> None:
    def asked(*numbers: int) -> Counter[bytes]:
        found: Counter[bytes] = Counter()
        for number in numbers:
            run = day(f"2026-11-{number}")
            found |= bag(sandbox.layerfive.truth(run, asked_at=run.end + timedelta(hours=2)))
        return found

    assert asked(14, 15, 16) - asked(14, 16)
