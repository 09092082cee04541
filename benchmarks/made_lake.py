"""A lake of any size made by DuckDB in no time: events files as the pipeline writes them, without a vendor or landing.

A partition's keys are its own, so that partitions don't overlap; a delta overlaps many of them. Not here: what is
measured on it (`contenders/warehouse_*.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import duckdb

from journey_pipeline import __version__
from journey_pipeline.lake.events import describe_parquet, put_events
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import EventsManifest
from journey_pipeline.model import EVENT_COLUMNS, Granularity, StreamKey, Window, iso

STREAM = StreamKey("sfmc", "sfmc", "journey_history")
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
CONTACTS = 500_000
JOURNEYS = 60
ACTIVITIES = 720
SHARE_NEW = 0.2
ATTEMPT = "20260101T000000.000000Z-000000"
LATER_ATTEMPT = "20260401T000000.000000Z-000000"

_MADE = {
    "event_key": "md5(concat(start_at, '/', row))::uuid",
    "vendor": "'sfmc'",
    "connection": "'sfmc'",
    "stream": "'journey_history'",
    "occurred_at": "start_at::timestamptz + to_microseconds(row % $rows * $length_us // $rows)",
    "occurred_on": "start_at::timestamp::date",
    "occurred_at_source": "'TransactionTime'",
    "received_at": "start_at::timestamptz + to_microseconds(row % $rows * $length_us // $rows + 5000000)",
    "contact_id": f"concat('003', hash(row, start_at) % {CONTACTS})",
    "journey_id": f"md5(concat('journey', hash(row) % {JOURNEYS}))",
    "journey_name": f"concat('Welcome, part ', hash(row) % {JOURNEYS})",
    "enrolment_id": "md5(concat(start_at, row // 3))",
    "activity_id": f"md5(concat('activity', hash(row) % {ACTIVITIES}))",
    "activity_name": f"concat('Step ', hash(row) % {ACTIVITIES})",
    "activity_type": "['emailv2', 'waitbyduration', 'multicriteriadecision'][(1 + hash(row) % 3)::bigint]",
    "next_activity_id": (
        f"case when hash(row) % {ACTIVITIES} < {ACTIVITIES - JOURNEYS} "
        f"then md5(concat('activity', hash(row) % {ACTIVITIES} + {JOURNEYS})) end"
    ),
    "channel": "['email', 'journey', 'journey'][(1 + hash(row) % 3)::bigint]",
    "action": "['send', 'wait', 'decide'][(1 + hash(row) % 3)::bigint]",
    "vendor_action": "'Complete'",
    "outcome": "'Passed'",
    "reason": "case when hash(row, 1) % 11 = 0 then 'The address was held back.' end",
    "is_test": "false",
    "properties": "json_object('id', md5(concat(start_at, row)), 'event_id', md5(row::varchar))",
    "partition_key": "partition",
    "landing_file": "concat(partition, '/', attempt, '/part-0.csv.gz')",
    "landing_row": "row + 1",
}


def columns_of(others: Mapping[str, str]) -> str:
    """A file's columns, some of which come from other expressions than below."""
    made = {**_MADE, **others}
    return ", ".join(
        f"({made.get(column.name, 'null')})::{column.file_type} as {column.name}" for column in EVENT_COLUMNS
    )


MADE_COLUMNS = columns_of({})
"""A file's columns, from `start_at`, `row`, `partition` and `attempt`, and the parameters `$rows` and `$length_us`."""


def hour(number: int) -> Window:
    """The window of the hour with a number, from 0."""
    return _window(Granularity.HOUR, number)


def day(number: int) -> Window:
    """The window of the day with a number, from 0."""
    return _window(Granularity.DAY, number)


def make_hours(lake: Lake, numbers: range, rows: int) -> None:
    """Puts the events of some hours in place."""
    _make(lake, [hour(number) for number in numbers], rows)


def make_days(lake: Lake, numbers: range, rows: int) -> None:
    """Puts the events of some days in place, a partition each; as for `make_hours`."""
    _make(lake, [day(number) for number in numbers], rows)


def make_delta(lake: Lake, number: int, days: int, rows_of_day: int, rows: int) -> int:
    """Puts a day's partition in place with events of the first days, most of which those days' partitions have too.

    Args:
        number: Its day. Another one's new events are others.
        days: Over how many days its events are spread.
        rows_of_day: Events of each day's own partition.

    Returns:
        How many of them are new.
    """
    each = rows // days
    fresh = round(each * SHARE_NEW)
    made = (
        "select strftime($start::timestamptz + to_days(day::integer), '%Y-%m-%dT%H:%M:%SZ') as start_at, row "
        f"from range({days}) as days(day) cross join ("
        f"select (row * 7 + {number}) % $rows as row from range({each - fresh}) as known(row) union all "
        f"select $rows + {number * fresh} + row from range({fresh}) as fresh(row))"
    )
    with session_of(lake) as session:
        _put(session, lake, day(number), made, rows=rows_of_day, first=day(0), attempt=LATER_ATTEMPT)
    return fresh * days


def make_rolling(lake: Lake, number: int, days: int, rows_of_day: int) -> None:
    """Puts a day's partition in place with all events of so many days, the last of which is the day's own."""
    made = (
        "select strftime($start::timestamptz + to_days(day::integer), '%Y-%m-%dT%H:%M:%SZ') as start_at, row "
        f"from range({days}) as days(day) cross join range($rows) as made(row)"
    )
    with session_of(lake) as session:
        first = day(number - days + 1)
        _put(session, lake, day(number), made, rows=rows_of_day, first=first, attempt=LATER_ATTEMPT)


def _make(lake: Lake, windows: Sequence[Window], rows: int) -> None:
    with session_of(lake) as session:
        for window in windows:
            made = "select $start as start_at, row from range($rows) as made(row)"
            _put(session, lake, window, made, rows=rows, first=window, attempt=ATTEMPT)


@contextmanager
def session_of(lake: Lake) -> Iterator[duckdb.DuckDBPyConnection]:
    """A session that makes events files."""
    lake.work_dir.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as session:
        session.execute("set timezone = 'UTC'; set threads = 2")
        yield session


def _put(
    session: duckdb.DuckDBPyConnection,
    lake: Lake,
    window: Window,
    made: str,
    *,
    rows: int,
    first: Window,
    attempt: str,
) -> None:
    length_us = window.duration // timedelta(microseconds=1)
    put_made(session, lake, window, made, attempt=attempt, start=iso(first.start), rows=rows, length_us=length_us)


def put_made(
    session: duckdb.DuckDBPyConnection,
    lake: Lake,
    window: Window,
    made: str,
    *,
    columns: str = MADE_COLUMNS,
    stream: StreamKey = STREAM,
    attempt: str = ATTEMPT,
    **parameters: object,
) -> None:
    """Puts a partition's events file in place with its manifest.

    Args:
        made: A SELECT of what the columns are made from, besides `partition` and `attempt`.
        columns: The file's columns, as of `columns_of`.
        parameters: Those of both.
    """
    file = lake.work_dir / f"{window.partition}.parquet"
    ((count,),) = session.execute(
        f"copy (select {columns} from (select *, $partition as partition, $attempt as attempt from ({made}))) "
        f"to '{file}' (format parquet, compression zstd)",
        {"partition": window.partition, "attempt": attempt, **parameters},
    ).fetchall()
    manifest = EventsManifest(
        vendor=stream.vendor,
        connection=stream.connection,
        stream=stream.stream,
        partition=window.partition,
        window=str(window),
        attempts=(attempt,),
        recipe="made",
        package_version=__version__,
        landed_at=window.end,
        events=describe_parquet(file, count),
        landed=count,
    )
    put_events(lake, manifest, file)


def _window(granularity: Granularity, number: int) -> Window:
    start = FIRST + granularity.duration * number
    return Window(start, start + granularity.duration)
