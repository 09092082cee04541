"""A lake of any size made by DuckDB in no time: events files as the pipeline writes them, without a vendor or landing.

An hour's keys are its own, so that hours don't overlap. Not here: what is measured on it (`contenders/warehouse_*.py`).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import duckdb

from journey_pipeline import __version__
from journey_pipeline.lake.events import describe_parquet, put_events
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import EventsManifest
from journey_pipeline.model import EVENT_COLUMNS, StreamKey, Window, iso

STREAM = StreamKey("sfmc", "sfmc", "journey_history")
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
CONTACTS = 500_000
JOURNEYS = 60
ACTIVITIES = 720

_MADE = {
    "event_key": "md5(concat($start, '/', row))::uuid",
    "vendor": "'sfmc'",
    "connection": "'sfmc'",
    "stream": "'journey_history'",
    "occurred_at": "$start::timestamptz + to_microseconds(row * 3600000000 // $rows)",
    "occurred_on": "$start::timestamp::date",
    "occurred_at_source": "'TransactionTime'",
    "received_at": "$start::timestamptz + to_microseconds(row * 3600000000 // $rows + 5000000)",
    "contact_id": f"concat('003', hash(row, $start) % {CONTACTS})",
    "journey_id": f"md5(concat('journey', hash(row) % {JOURNEYS}))",
    "journey_name": f"concat('Welcome, part ', hash(row) % {JOURNEYS})",
    "activity_id": f"md5(concat('activity', hash(row) % {ACTIVITIES}))",
    "activity_name": f"concat('Step ', hash(row) % {ACTIVITIES})",
    "activity_type": "['emailv2', 'waitbyduration', 'multicriteriadecision'][(1 + hash(row) % 3)::bigint]",
    "channel": "['email', 'journey', 'journey'][(1 + hash(row) % 3)::bigint]",
    "action": "['send', 'wait', 'decide'][(1 + hash(row) % 3)::bigint]",
    "vendor_action": "'Complete'",
    "outcome": "'Passed'",
    "reason": "case when hash(row, 1) % 11 = 0 then 'The address was held back.' end",
    "is_test": "false",
    "properties": "json_object('id', md5(concat($start, row)), 'definition_instance_id', md5(row::varchar))",
    "partition_key": "$partition",
    "landing_file": "concat($partition, '/20260101T000000.000000Z-000000/part-0.csv.gz')",
    "landing_row": "row + 1",
}
_SELECT = ", ".join(f"({_MADE.get(column.name, 'null')})::{column.type} as {column.name}" for column in EVENT_COLUMNS)


def hour(number: int) -> Window:
    """The window of the hour with a number, from 0."""
    start = FIRST + timedelta(hours=number)
    return Window(start, start + timedelta(hours=1))


def make_hours(lake: Lake, numbers: range, rows: int) -> None:
    """Puts the events of some hours in place.

    Args:
        lake: Where.
        numbers: Which hours.
        rows: Events of each.
    """
    lake.work_dir.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as session:
        session.execute("set timezone = 'UTC'; set threads = 2")
        for number in numbers:
            _make_hour(session, lake, hour(number), rows)


def _make_hour(session: duckdb.DuckDBPyConnection, lake: Lake, window: Window, rows: int) -> None:
    file = lake.work_dir / f"{window.partition}.parquet"
    session.execute(
        f"copy (select {_SELECT} from range($rows) as made(row)) to '{file}' (format parquet, compression zstd)",
        {"start": iso(window.start), "partition": window.partition, "rows": rows},
    )
    manifest = EventsManifest(
        vendor=STREAM.vendor,
        connection=STREAM.connection,
        stream=STREAM.stream,
        partition=window.partition,
        window=str(window),
        attempts=("20260101T000000.000000Z-000000",),
        recipe="made",
        package_version=__version__,
        landed_at=window.end,
        events=describe_parquet(file, rows),
        landed=rows,
    )
    put_events(lake, manifest, file, None)
