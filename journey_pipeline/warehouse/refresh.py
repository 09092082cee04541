"""Makes the tables that are SELECTs over others, as far as a sync changed what they are made from.

A SELECT that takes `$first_day` and `$last_day` is run again for the days that changed, any other one as a whole, and
what it gives takes the place of the earlier rows. Not here: the SELECTs (`sql/`), their order (`schema.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import duckdb

from journey_pipeline.warehouse.schema import LOADED_TABLES, Table, create_table, forget_table, note_table

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
    session: duckdb.DuckDBPyConnection, tables: tuple[Table, ...], stale: set[Table], days: set[date]
) -> set[date]:
    """Makes tables again.

    Args:
        session: With a transaction open.
        tables: All that SELECTs make, in order.
        stale: Those of them to make from the ground up.
        days: The UTC days whose events changed.

    Returns:
        All days that were made again: besides those given, the days of journeys and steps that are described
        otherwise now, because marts carry their names.
    """
    days = set(days)
    for table in tables:
        if table in stale:
            forget_table(session, table.name)
            create_table(session, table)
            note_table(session, table)
        if table.is_by_day:
            _replace_days(session, table, _all_days(session) if table in stale else days)
        else:
            days |= _replace(session, table)
    return days


def _replace_days(session: duckdb.DuckDBPyConnection, table: Table, days: set[date]) -> None:
    for first_day, last_day in _spans(session, days):
        span = {"first_day": first_day, "last_day": last_day}
        session.execute(f"delete from {table.name} where occurred_on between $first_day and $last_day", span)
        session.execute(f"insert into {table.name} by name {table.sql}", span)


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


def _all_days(session: duckdb.DuckDBPyConnection) -> set[date]:
    return {row[0] for row in session.execute("select distinct occurred_on from core.journey_events").fetchall()}


def _spans(session: duckdb.DuckDBPyConnection, days: set[date]) -> Iterator[tuple[date, date]]:
    """The days as runs without a gap, so long that none but a single day has too many events."""
    if not days:
        return
    counted = session.execute(
        "select occurred_on, count(*) from core.journey_events where occurred_on between ? and ? group by all",
        [min(days), max(days)],
    )
    events: dict[date, int] = dict(counted.fetchall())
    first, last, rows = None, None, 0
    for day in sorted(days):
        if first and last and (day - last > timedelta(days=1) or rows + events.get(day, 0) > _SPAN_ROWS):
            yield first, last
            first, rows = None, 0
        first, last, rows = first or day, day, rows + events.get(day, 0)
    if first and last:
        yield first, last
