"""Which row of a key wins, where more than one file holds it.

A row's rank is (attempt, partition, landed file, record), whatever its times are: the newest answer of the vendor
wins. Works in temporary tables of the caller's transaction; not here: what is done with winners and losers
(`merge.py`).
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import duckdb

from journey_pipeline.warehouse.intake import events

# The file number of rows that are in the warehouse already.
IN_WAREHOUSE = -1
NUMBERED_ROWS = ", filename = true, file_row_number = true"

_ROW = "event_key, connection, stream, partition_key, landing_file, landing_row"


def find_contested(session: duckdb.DuckDBPyConnection, incoming: Collection[Path], losers: Collection[Path]) -> int:
    """Makes `contested`: the keys that more than one row may stand for.

    Those are the keys that incoming files repeat, those of them that the warehouse holds from other files, and
    those of the rows just deleted (`gone`) that a file with losing rows has too.

    Args:
        session: With `gone` in place.
        incoming: The files to load.
        losers: The unchanged files that hold rows which lost; no other unchanged file can hold a key of `gone`.

    Returns:
        How many keys.
    """
    parts = ["select null::uuid as event_key where false"]
    if incoming:
        parts.append(f"select event_key from {events(incoming)} group by event_key having count(*) > 1")
        parts.append(f"select event_key from core.journey_events semi join {events(incoming)} using (event_key)")
    if losers:
        parts.append(f"select event_key from {events(losers)} semi join gone using (event_key)")
    session.execute(f"create or replace temp table contested as {' union '.join(parts)}")
    return _count(session, "contested")


def rank(session: duckdb.DuckDBPyConnection, files: Collection[Path]) -> None:
    """Makes `contenders`: of every row of a contested key where it is (`file_id`, `place`) and whether it `has_won`.

    Ranks are compared as numbers, made once for each landed file, because the rows may be many. Two rows of one file
    with the same rank can't be in a sound file; then the later one wins.

    Args:
        session: With `contested` and `numbered` in place.
        files: The incoming files and those with losing rows.
    """
    held = f"select {_ROW}, {IN_WAREHOUSE} as file_id, rowid as place from core.journey_events"
    outside = (
        f"select {_ROW}, file_id, file_row_number as place from {events(files, NUMBERED_ROWS)} "
        "join (select file_id, path from numbered) on path = filename"
    )
    rows = f"({held} union all {outside})" if files else f"({held})"
    session.execute(f"create or replace temp view contested_rows as from {rows} semi join contested using (event_key)")
    session.execute("""
        create or replace temp table landings as
        select
            *,
            row_number() over (
                order by
                    split_part(landing_file, '/', 2),
                    partition_key,
                    landing_file,
                    connection,
                    stream
            ) as landing_id
        from (
            select distinct
                connection,
                stream,
                partition_key,
                landing_file
            from contested_rows
        )
    """)
    session.execute("""
        create or replace temp table contenders as
        select
            file_id,
            place,
            row_number() over (
                partition by event_key
                order by landing_id desc, landing_row desc, place desc
            ) = 1 as has_won
        from contested_rows
        join landings using (connection, stream, partition_key, landing_file)
    """)


def _count(session: duckdb.DuckDBPyConnection, table: str) -> int:
    return int(session.execute(f"select count(*) from {table}").fetchall()[0][0])
