"""Makes the tables that are SELECTs over others, as far as a sync changed what they are made from.

A SELECT that takes `$first_day` and `$last_day` is run again for the days that changed, any other one as a whole, and
what it gives takes the place of the earlier rows. Where little of a day changed, an increment gives the rows that
change with it. Not here: the SELECTs (`sql/`), their order (`schema.py`), what changed (`changes.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta

import duckdb

from journey_pipeline.warehouse.changes import Changes
from journey_pipeline.warehouse.loaded import KEY
from journey_pipeline.warehouse.schema import LOADED_TABLES, create_table, forget_table, note_table
from journey_pipeline.warehouse.table import Table

# Days are made again together up to this many events, so that counting people stays inside memory.
_SPAN_ROWS = 2_000_000
# What a dimension says about when we saw a row changes with every look; no mart may use it.
_UNSTABLE = "first_seen_at, last_seen_at"
_DIMENSIONS = {"core.journeys": "journey_id", "core.activities": "activity_id"}


def stale_tables(session: duckdb.DuckDBPyConnection, tables: tuple[Table, ...]) -> set[Table]:
    """The tables that are not there yet or were made from another text; those that no text makes any more go."""
    made = dict(session.execute("select table_name, digest from internal.tables").fetchall())
    known = {table.name for table in (*LOADED_TABLES, *tables)}
    for name in sorted(made.keys() - known):
        forget_table(session, name)
    return {table for table in tables if made.get(table.name) != table.digest}


def refresh(
    session: duckdb.DuckDBPyConnection, tables: tuple[Table, ...], stale: set[Table], changes: Changes
) -> set[date]:
    """Makes tables again.

    Args:
        tables: All that SELECTs make, in order.
        stale: Those of them to make from the ground up.

    Returns:
        All days that were made again: besides those that changed, the days of journeys and steps that are described
        otherwise now, because marts carry their names.
    """
    changes.forget_whole_days()
    days = changes.days
    events = _events_by_day(session)
    for table in tables:
        if table in stale:
            forget_table(session, table.name)
            create_table(session, table)
            note_table(session, table)
        if table.is_by_partition:
            _replace_partitions(session, table, are_all=table in stale)
        elif not table.is_by_day:
            days |= _replace(session, table)
        elif table in stale:
            _replace_days(session, table, set(events), events)
        elif table.increment:
            _replace_days(session, table, changes.whole, events)
            _increment(session, table, changes.partly)
        else:
            _replace_days(session, table, days, events)
    return days


def _replace_partitions(session: duckdb.DuckDBPyConnection, table: Table, *, are_all: bool) -> None:
    """Makes the rows of partitions again whose files changed, or those that cover them or did."""
    if are_all:
        session.execute(f"insert into changed_files select {KEY} from internal.files")
    session.execute(f"""
        create or replace temp table touched_partitions as
        select {KEY} from changed_files
        union
        select connection, stream, unnest(covers) as partition_key
        from internal.files
        semi join changed_files using ({KEY})
        union
        select {KEY} from {table.name} where (connection, stream, covered_by) in (select ({KEY}) from changed_files)
    """)
    session.execute(f"delete from {table.name} where ({KEY}) in (select ({KEY}) from touched_partitions)")
    session.execute(f"insert into {table.name} by name {table.sql}")


def _replace_days(
    session: duckdb.DuckDBPyConnection, table: Table, days: set[date], events: Mapping[date, int]
) -> None:
    for first_day, last_day in _spans(days, events):
        span = {"first_day": first_day, "last_day": last_day}
        session.execute(f"delete from {table.name} where occurred_on between $first_day and $last_day", span)
        session.execute(f"insert into {table.name} by name {table.sql}", span)


def _increment(session: duckdb.DuckDBPyConnection, table: Table, days: set[date]) -> None:
    """Puts the rows that the increment gives in the place of those that they say; `is_gone` says that none remains."""
    if not days:
        return
    span = {"first_day": min(days), "last_day": max(days)}
    session.execute(f"create or replace temp table renewed as {table.increment}", span)
    session.execute(f"delete from {table.name} where rowid in (select place from renewed)")
    session.execute(
        f"insert into {table.name} by name select * exclude (place, is_gone) from renewed where not is_gone"
    )


def _replace(session: duckdb.DuckDBPyConnection, table: Table) -> set[date]:
    """Puts the SELECT's rows in the table's place if they differ; gives the days whose marts name them otherwise."""
    session.execute(f"create or replace temp table next as {table.sql}")
    differs = f"(from next except all from {table.name}) union all (from {table.name} except all from next)"
    if not session.execute(f"select exists (from ({differs}))").fetchall()[0][0]:
        return set()
    days = _described_otherwise(session, table.name) if table.name in _DIMENSIONS else set()
    session.execute(f"delete from {table.name}")
    session.execute(f"insert into {table.name} by name from next")
    return days


def _described_otherwise(session: duckdb.DuckDBPyConnection, name: str) -> set[date]:
    identity = _DIMENSIONS[name]
    now, before = (f"select * exclude ({_UNSTABLE}) from {rows}" for rows in ("next", name))
    rows = session.execute(f"""
        select distinct occurred_on
        from internal.names_by_day
        semi join (
            from ({now} except {before})
            union all
            from ({before} except {now})
        ) using (connection, {identity})
    """).fetchall()
    return {row[0] for row in rows}


def _events_by_day(session: duckdb.DuckDBPyConnection) -> dict[date, int]:
    return dict(session.execute("select occurred_on, count(*) from core.journey_events group by all").fetchall())


def _spans(days: set[date], events: Mapping[date, int]) -> Iterator[tuple[date, date]]:
    """The days as runs without a gap, so long that none but a single day has too many events."""
    first, last, rows = None, None, 0
    for day in sorted(days):
        if first and last and (day - last > timedelta(days=1) or rows + events.get(day, 0) > _SPAN_ROWS):
            yield first, last
            first, rows = None, 0
        first, last, rows = first or day, day, rows + events.get(day, 0)
    if first and last:
        yield first, last
