from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from journey_pipeline.errors import WarehouseError
from journey_pipeline.model import EVENT_COLUMNS, StreamKey
from journey_pipeline.warehouse.connection import WarehouseSettings, warehouse_file
from journey_pipeline.warehouse.schema import LOADED_TABLES, made_tables
from journey_pipeline.warehouse.sync import rebuild, sync
from journey_pipeline.warehouse.table import read_table
from journey_pipeline_tests.warehouse.made_lake import MIDNIGHT, SFMC, Event, MadeLake, dump, events, rows_of

pytestmark = pytest.mark.slow(reason="a warehouse is made in each test")

SMALL = WarehouseSettings(memory="500MB", threads=1, lock_wait_s=0)
FIVE, SIX = "2026-11-01T05", "2026-11-01T06"
LAYERFIVE = StreamKey("layerfive", "layerfive", "customer_journeys")
SEEN_AT = datetime(2026, 11, 3, tzinfo=UTC)


def rows(made: MadeLake, sql: str) -> list[tuple[Any, ...]]:
    return rows_of(warehouse_file(made.lake), sql)


def test_every_table_and_every_column_carries_a_comment(made: MadeLake) -> None:
    sync(made.lake, SMALL)
    assert rows(made, "select table_name from duckdb_tables() where coalesce(comment, '') = ''") == []
    uncommented = (
        "select table_name, column_name from duckdb_columns() where not internal and coalesce(comment, '') = ''"
    )
    assert rows(made, uncommented) == []


def test_every_comment_is_of_a_column_that_is_there_in_the_selects_order(made: MadeLake) -> None:
    sync(made.lake, SMALL)
    for table in (table for table in (*LOADED_TABLES, *made_tables()) if not table.arguments):
        schema, name = table.name.split(".")
        there = rows(
            made,
            "select column_name, comment from duckdb_columns() "
            f"where schema_name = '{schema}' and table_name = '{name}' order by column_index",
        )
        assert there == [(column.name, column.comment) for column in table.columns]


def test_every_table_says_its_grain_and_its_key() -> None:
    for table in (*LOADED_TABLES, *made_tables()):
        assert "Key: " in table.comment or "key: " in table.comment or "One row." in table.comment, table.name


def test_an_sql_file_without_a_header_is_refused() -> None:
    with pytest.raises(WarehouseError, match="needs a header"):
        read_table("marts.orphan", "select 1 as a")


def test_the_events_table_has_exactly_the_canonical_columns_and_types(made: MadeLake) -> None:
    sync(made.lake, SMALL)
    described = rows(made, "select column_name, column_type from (describe core.journey_events)")
    names = {"TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE"}
    assert described == [(column.name, names.get(column.type, column.type)) for column in EVENT_COLUMNS]


def test_a_journey_that_only_events_name_carries_their_latest_name(made: MadeLake) -> None:
    made.put(FIVE, [Event(1, journey_name="Old", activity_name="Old step")])
    made.put(SIX, [Event(2, at=MIDNIGHT + timedelta(hours=6), journey_name="New", activity_name=None)])
    sync(made.lake, SMALL)
    journeys = "select connection, journey_id, journey_name, version, name_source from core.journeys"
    assert rows(made, journeys) == [("sfmc", "J-1", "New", 3, "events")]
    activities = "select activity_id, journey_id, activity_name, name_source from core.activities"
    assert rows(made, activities) == [("A-1", "J-1", "Old step", "events")]


def test_the_vendors_name_of_a_journey_goes_before_that_of_the_events(made: MadeLake) -> None:
    made.put(FIVE, events([1]))
    made.put_dimension(
        "journeys",
        [
            {"journey_id": "J-1", "journey_name": "Listed", "version": 7, "status": "Published"},
            {"journey_id": "J-9", "journey_name": "Never met", "first_seen_at": SEEN_AT, "properties": '{"a": 1}'},
        ],
    )
    made.put_dimension("activities", [{"activity_id": "A-1", "activity_name": None, "outcomes": "[]"}])
    sync(made.lake, SMALL)
    assert rows(
        made,
        "select journey_id, journey_name, version, status, first_seen_at, name_source from core.journeys order by 1",
    ) == [
        ("J-1", "Listed", 7, "Published", None, "vendor"),
        ("J-9", "Never met", None, None, SEEN_AT, "vendor"),
    ]
    assert rows(made, "select activity_name, outcomes, name_source from core.activities") == [
        ("First mail", "[]", "events")
    ]


def test_a_renamed_journey_is_renamed_on_all_days_of_the_mart_and_on_no_other_journeys(made: MadeLake) -> None:
    made.put(FIVE, events([1, 2]))
    made.put("2026-11-09T05", events([3], at=MIDNIGHT + timedelta(days=8, hours=5)))
    made.put(SIX, events([4], journey="J-2", at=MIDNIGHT + timedelta(days=3)))
    sync(made.lake, SMALL)
    made.put_dimension("journeys", [{"journey_id": "J-1", "journey_name": "Renamed", "version": 4}])
    report = sync(made.lake, SMALL)
    assert report.rows_inserted == 0
    mart = (
        "select journey_id, journey_name, journey_version, sum(events) from marts.journey_daily group by all order by 1"
    )
    assert rows(made, mart) == [("J-1", "Renamed", 4, 3), ("J-2", "Welcome", 3, 1)]
    synced = dump(made.lake)
    rebuild(made.lake, SMALL)
    assert dump(made.lake) == synced


def test_seeing_a_journey_again_touches_no_day(made: MadeLake) -> None:
    made.put(FIVE, events([1]))
    made.put_dimension("journeys", [{"journey_id": "J-1", "journey_name": "Listed", "last_seen_at": SEEN_AT}])
    sync(made.lake, SMALL)
    later = SEEN_AT + timedelta(days=1)
    made.put_dimension("journeys", [{"journey_id": "J-1", "journey_name": "Listed", "last_seen_at": later}])
    assert sync(made.lake, SMALL).days_touched == 0
    assert rows(made, "select last_seen_at from core.journeys") == [(later,)]


def test_a_dimension_that_is_gone_from_the_lake_is_gone_from_the_warehouse(made: MadeLake) -> None:
    file = made.put_dimension("journeys", [{"journey_id": "J-9", "journey_name": "Listed"}])
    sync(made.lake, SMALL)
    file.unlink()
    sync(made.lake, replace(SMALL, remove=True))
    assert rows(made, "select count(*) from core.journeys") == [(0,)]


@pytest.mark.parametrize("damage", ["cut off", "a key twice"])
def test_a_damaged_dimension_is_named_and_what_was_loaded_of_it_stays(made: MadeLake, damage: str) -> None:
    file = made.put_dimension("journeys", [{"journey_id": "J-9", "journey_name": "Listed"}])
    sync(made.lake, SMALL)
    if damage == "cut off":
        file.write_bytes(file.read_bytes()[:-20])
    else:
        made.put_dimension("journeys", [{"journey_id": "J-8"}, {"journey_id": "J-8"}])
    made.put(FIVE, events([1]))
    report = sync(made.lake, SMALL)
    assert report.added == 1
    assert [broken.path for broken in report.broken] == ["dimensions/sfmc/journeys.parquet"]
    assert rows(made, "select journey_id from core.journeys order by 1") == [("J-1",), ("J-9",)]


def test_the_mart_counts_people_once_and_leaves_dry_runs_out(made: MadeLake) -> None:
    made.put(
        FIVE,
        [
            Event(1, row=1, contact="C-1"),
            Event(2, row=2, contact="C-1"),
            Event(3, row=3, contact="C-2"),
            Event(4, row=4, contact="C-3", is_test=True),
            Event(5, row=5, contact="C-4", is_test=None, action="open"),
        ],
    )
    sync(made.lake, SMALL)
    mart = "select occurred_on::varchar, journey_name, activity_name, action, events, contacts from marts.journey_daily"
    assert sorted(rows(made, mart)) == [
        ("2026-11-01", "Welcome", "First mail", "open", 1, 1),
        ("2026-11-01", "Welcome", "First mail", "send", 3, 2),
    ]


def test_only_the_days_that_changed_are_made_again(made: MadeLake) -> None:
    for number in range(1, 5):
        at = MIDNIGHT + timedelta(days=number - 1, hours=5)
        made.put(f"2026-11-0{number}T05", events([number], at=at))
    sync(made.lake, SMALL)
    made.put("2026-11-02T05", events([2, 20], at=MIDNIGHT + timedelta(days=1, hours=5)))
    assert sync(made.lake, SMALL).days_touched == 1
    made.remove("2026-11-03T05")
    assert sync(made.lake, SMALL).days_touched == 1
    mart = rows(made, "select occurred_on::varchar, events from marts.journey_daily order by 1")
    assert mart == [("2026-11-01", 1), ("2026-11-02", 2), ("2026-11-04", 1)]


def test_rejects_keep_their_text_their_reason_and_where_they_came_from(made: MadeLake) -> None:
    made.put(FIVE, [], rejects=1)
    sync(made.lake, SMALL)
    found = rows(made, "select vendor, partition_key, landing_file, landing_row, raw, reason from ops.rejects")
    landing_file = f"{FIVE}/20261101T060000Z-aa/part-0.csv.gz"
    assert found == [(SFMC.vendor, FIVE, landing_file, 1, "a;broken;0", "unreadable time")]


def lateness(made: MadeLake) -> dict[date, tuple[float, timedelta]]:
    rows = rows_of(warehouse_file(made.lake), "select occurred_on, share_after_1h, latest from ops.lateness")
    return {on: (share, latest) for on, share, latest in rows}


def test_an_event_is_late_by_the_end_of_its_own_day_whichever_days_answer_brought_it(made: MadeLake) -> None:
    days = [MIDNIGHT + timedelta(days=number, hours=20) for number in range(3)]
    rows = [Event(n, at=at, row=n, received=at + timedelta(seconds=2)) for n, at in enumerate(days)]
    made.put("2026-11-01", rows, LAYERFIVE)
    sync(made.lake)
    early = (0.0, timedelta(hours=-4, seconds=2))
    assert lateness(made) == {at.date(): early for at in days}
    late = Event(7, at=days[1], row=7, received=MIDNIGHT + timedelta(days=2, hours=3))
    made.put("2026-11-01", [*rows, late], LAYERFIVE)
    sync(made.lake, WarehouseSettings())
    assert lateness(made)[days[1].date()] == (0.5, timedelta(hours=3))


def test_an_event_of_another_hour_than_its_partitions_is_late_by_its_own_hour(made: MadeLake) -> None:
    at = MIDNIGHT + timedelta(hours=2, minutes=30)
    made.put("2026-11-01T05", [Event(1, at=at, received=MIDNIGHT + timedelta(hours=5))])
    sync(made.lake)
    assert lateness(made) == {MIDNIGHT.date(): (1.0, timedelta(hours=2))}
