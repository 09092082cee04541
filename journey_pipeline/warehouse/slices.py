"""The units of a table in slices, so that making the rows of one fits into memory.

A slice is a range of journeys, or of messages, in order of their ids: to make it, and later to ask of one journey,
reads little more than its own rows. Slices by a hash of the unit would each read all rows. Not here: making them
(`refresh.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from journey_pipeline.sql import identifier, literal
from journey_pipeline.warehouse.connection import number_of
from journey_pipeline.warehouse.table import Table

# Sorting a row of a passage takes about 1.3 KiB. With this much for each, the units that are made at once need less
# than half of DuckDB's memory limit. Smaller slices would spread the rows of a day over more places that a sync reads.
_BYTES_OF_ROW = 3_200
_ROWS_OF_UNIT = 16
"""Rows that a touched unit has at most, mostly: those of few units are not looked up only to be counted."""
_COARSE = frozenset({"journey_id", "message_id"})
"""Columns of units with few values of many rows each."""


def slices(session: duckdb.DuckDBPyConnection, table: Table, sources: Sequence[str], touched: str = "") -> list[str]:
    """A WHERE clause on the rows `own` for each slice; an empty one if all units fit at once.

    Args:
        sources: The relations, named `own`, that the rows are made from.
        touched: The relation of the units to make; all if empty.
    """
    at_once = rows_in_memory(session, _BYTES_OF_ROW)
    if touched and number_of(session, f"select count(*) from {touched}") * _ROWS_OF_UNIT < at_once:
        return [""]
    counts = {source: number_of(session, f"select count(*) from {source}") for source in sources}
    largest = max(counts, key=lambda source: counts[source])
    if counts[largest] < at_once:
        return [""]
    coarse = next((name for name in table.unit if name in _COARSE), None)
    ranges = (coarse and _ranges(session, largest, coarse, at_once)) or {"true": counts[largest]}
    return [
        f"where {within}{part}"
        for within, rows in ranges.items()
        for part in _by_hash(table, max(1, round(rows / at_once)))
    ]


def rows_in_memory(session: duckdb.DuckDBPyConnection, bytes_of_row: int) -> int:
    """How many rows of a size fit into DuckDB's memory limit."""
    return number_of(session, "select parse_formatted_bytes(current_setting('memory_limit'))") // bytes_of_row


def _ranges(session: duckdb.DuckDBPyConnection, relation: str, column: str, at_once: int) -> dict[str, int]:
    """Ranges of a column's values, and the rows of each: about so many at once, more only where one value has more."""
    own = f"own.{identifier(column)}"
    ranges = session.execute(
        f"""
        select min(value), sum(rows)::bigint
        from (
            select *, (sum(rows) over (order by value) - rows) // {at_once} as number
            from (select {own} as value, count(*) as rows from {relation} group by all)
            where value is not null
        )
        group by number
        order by number
        """
    ).fetchall()
    found = {}
    for number, (first, rows) in enumerate(ranges):
        after = [following for following, _ in ranges[number + 1 : number + 2]]
        bounds = [f"{own} >= {literal(first)}"] if number else []
        bounds += [f"{own} < {literal(following)}" for following in after]
        within = " and ".join(bounds) or "true"
        found[within if after else f"({within} or {own} is null)"] = rows
    return found


def _by_hash(table: Table, parts: int) -> list[str]:
    """The rest of a WHERE clause for each part of the units, by their hash."""
    unit = ", ".join(f"own.{identifier(name)}" for name in table.unit)
    return [f" and hash({unit}) % {parts} = {number}" for number in range(parts)] if parts > 1 else [""]
