"""How tests read the files that were made: with one session of DuckDB, because opening one takes longer than a look."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import duckdb

from journey_pipeline.sql import literal

# A test reads a file, has it replaced, and reads it again.
_CONFIG = {"threads": 1, "enable_external_file_cache": False}
_UTC = "set timezone = 'UTC'"
SESSION = duckdb.connect(config=_CONFIG)
SESSION.execute(_UTC)
# Of its own: DuckDB's lists of tables and columns are of all that a session has open.
_FILES = duckdb.connect(config=_CONFIG)
_NUMBERS = count()


def read_parquet(path: Path, columns: str = "*", order: str = "") -> list[tuple[Any, ...]]:
    """Rows of a Parquet file, in the file's order unless another one is named."""
    ordered = f"order by {order}" if order else ""
    return SESSION.execute(f"select {columns} from read_parquet(?) {ordered}", [str(path)]).fetchall()


@contextmanager
def opened(file: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that reads a database's file, as catalog in use."""
    name = f"opened_{next(_NUMBERS)}"
    _FILES.execute(f"attach {literal(str(file))} as {name} (read_only)")
    try:
        with _FILES.cursor() as session:
            session.execute(_UTC)
            session.execute(f"use {name}")
            yield session
    finally:
        _FILES.execute(f"detach {name}")
