"""Loads the files that lie beside the events of a partition: rejects and attributes.

Not here: what is in them (`lake/`, and each vendor), whether a file has the columns it should (`intake.py`), the events
(`merge.py`), the history that is made of attributes (`attributes.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

from journey_pipeline.warehouse.intake import parquet
from journey_pipeline.warehouse.loaded import FileKey
from journey_pipeline.warehouse.table import Table

_KEY = ("connection", "stream", "partition_key")


def load_beside(
    session: duckdb.DuckDBPyConnection, table: Table, outgoing: Sequence[FileKey], incoming: Mapping[Path, FileKey]
) -> bool:
    """Takes the rows of some partitions out of a table and loads those of others; inside the caller's transaction.

    Args:
        session: On the warehouse.
        table: Their table; its rows say which partition they are of.
        outgoing: The partitions whose rows go.
        incoming: The files to load, and whose they are.

    Returns:
        Whether any rows went or came.
    """
    gone = 0
    if outgoing:
        names = [(key.connection, key.stream, key.partition) for key in outgoing]
        keys = [list(column) for column in zip(*names, strict=True)]
        which = "select unnest(?), unnest(?), unnest(?)"
        gone = _run(session, f"delete from {table.name} where ({', '.join(_KEY)}) in ({which})", keys)
    if not incoming:
        return bool(gone)
    session.execute("create or replace temp table beside (path varchar, c varchar, s varchar, p varchar)")
    session.executemany(
        "insert into beside values (?, ?, ?, ?)",
        [(str(path), key.connection, key.stream, key.partition) for path, key in incoming.items()],
    )
    columns = ", ".join(column.name for column in table.columns if column.name not in _KEY)
    come = _run(
        session,
        f"""
        insert into {table.name} by name
        select
            {columns},
            c as connection,
            s as stream,
            p as partition_key
        from {parquet(incoming, ", filename = true")}
        join beside on path = filename
        """,
    )
    return bool(gone or come)


def _run(session: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[object] = ()) -> int:
    """Runs a statement that changes rows; returns how many."""
    return int(session.execute(sql, list(parameters)).fetchall()[0][0])
