"""Loads the rejects files: the records that could not be typed, beside the events of their partition.

Not here: why a record is rejected (`lake/`, and each vendor's SQL), whether a file has the columns it should
(`intake.py`), the events (`merge.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from journey_pipeline.warehouse.intake import parquet
from journey_pipeline.warehouse.inventory import FileKey, FoundFile
from journey_pipeline.warehouse.schema import REJECTS

_KEY = ("connection", "stream", "partition_key")


def load_rejects(
    session: duckdb.DuckDBPyConnection, outgoing: Sequence[FileKey], incoming: Sequence[FoundFile]
) -> None:
    """Takes out the rejects of some partitions and loads those of others; inside the caller's transaction."""
    if outgoing:
        session.executemany(
            "delete from ops.rejects where connection = ? and stream = ? and partition_key = ?",
            [(key.connection, key.stream, key.partition) for key in outgoing],
        )
    files = [found for found in incoming if found.manifest.rejects]
    if not files:
        return
    session.execute("create or replace temp table rejected (path varchar, c varchar, s varchar, p varchar)")
    session.executemany(
        "insert into rejected values (?, ?, ?, ?)",
        [(str(found.rejects_path), found.key.connection, found.key.stream, found.key.partition) for found in files],
    )
    columns = ", ".join(column.name for column in REJECTS.columns if column.name not in _KEY)
    session.execute(f"""
        insert into ops.rejects by name
        select
            {columns},
            c as connection,
            s as stream,
            p as partition_key
        from {parquet((found.rejects_path for found in files), ", filename = true")}
        join rejected on path = filename
    """)
