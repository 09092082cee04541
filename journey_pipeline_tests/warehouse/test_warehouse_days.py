"""How far each day is loaded, and how late its events came."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from journey_pipeline.model import StreamKey
from journey_pipeline.report.part import ask
from journey_pipeline.warehouse.connection import WarehouseSettings, warehouse_file
from journey_pipeline.warehouse.publish import publish
from journey_pipeline.warehouse.questions import published
from journey_pipeline.warehouse.sync import rebuild, sync
from journey_pipeline_tests.warehouse.made_lake import MIDNIGHT, SFMC, Event, MadeLake, dump, rows_of

pytestmark = pytest.mark.slow(reason="a warehouse is made in each test")

SMALL = WarehouseSettings(memory="500MB", threads=1, lock_wait_s=0, remove=True)
INSIDER = StreamKey("insider", "insider", "user_events")
DAYS = (
    "select stream, day, hours_expected, hours_landed, is_complete, estimate, landed, events from ops.days order by all"
)
FIRST, SECOND, THIRD = (date(2026, 11, day) for day in (1, 2, 3))


def test_covered_days_missing_days_and_hours_show(made: MadeLake) -> None:
    for hour in (*range(22, 24), *range(24, 47), *range(72, 96)):
        at = MIDNIGHT + timedelta(hours=hour)
        made.put(f"{at:%Y-%m-%dT%H}", [Event(hour, at=at)] if hour < 72 else [], SFMC, estimate_rows=2)
    told = [Event(1000 + n, at=MIDNIGHT + timedelta(days=n), row=n + 1) for n in range(3)]
    made.put("2026-11-01", [*told], INSIDER, covers=("2026-11-02",))
    sync(made.lake, SMALL)
    assert rows_of(warehouse_file(made.lake), DAYS) == [
        ("journey_history", FIRST, 2, 2, True, 4, 2, 2),
        ("journey_history", SECOND, 24, 23, False, 46, 23, 23),
        ("journey_history", THIRD, 24, 0, False, None, 0, 0),
        ("journey_history", date(2026, 11, 4), 24, 24, True, 48, 0, 0),
        ("user_events", FIRST, 24, 24, True, None, 3, 1),
        ("user_events", SECOND, 24, 24, True, None, 0, 1),
    ]
    horizons = "select distinct stream, horizon from ops.days order by 1"
    assert rows_of(warehouse_file(made.lake), horizons) == [
        ("journey_history", datetime(2026, 11, 5, tzinfo=UTC)),
        ("user_events", datetime(2026, 11, 3, tzinfo=UTC)),
    ]


def test_a_page_misses_hours_between_the_first_and_the_last_alone(made: MadeLake) -> None:
    for hour in (22, 23, 24, 25, 27, 49):
        at = MIDNIGHT + timedelta(hours=hour)
        made.put(f"{at:%Y-%m-%dT%H}", [Event(hour, at=at)], SFMC)
    sync(made.lake, SMALL)
    publish(made.lake)
    with published(made.lake) as file:
        (reach,) = ask(file, "reach", {"connection": SFMC.connection})
    assert (reach["until"], reach["hours_missing"]) == ("2026-11-03 02:00", 1 + 20 + 1)


def test_lateness_is_that_of_the_event_and_not_of_the_answer_that_brought_it(made: MadeLake) -> None:
    at = MIDNIGHT + timedelta(days=1, hours=5)
    on_time = [Event(n, at=at, received=at + timedelta(seconds=n), row=n) for n in range(1, 100)]
    late = Event(100, at=at, received=at + timedelta(days=3), row=100)
    unknown = Event(101, at=at, row=101)
    made.put("2026-11-01", [*on_time, late, unknown], INSIDER, covers=("2026-11-02",))
    sync(made.lake, SMALL)
    lateness = f"select late_share, lateness_p99, events from ops.days where day = '{SECOND}'"
    assert rows_of(warehouse_file(made.lake), lateness) == [(0.01, timedelta(seconds=99), 101)]
    assert rows_of(warehouse_file(made.lake), "select events from ops.lateness") == [(100,)]
    synced = dump(made.lake)
    rebuild(made.lake, SMALL)
    assert dump(made.lake) == synced
