"""How tests read the files that were made: with one session of DuckDB, because opening one takes longer than a look."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import duckdb

from journey_pipeline.sql import literal

SETTINGS = "set timezone = 'UTC'"
_NUMBERS = count()
# A test reads a file, has it replaced, and reads it again.
SESSION = duckdb.connect(config={"threads": 1, "enable_external_file_cache": False})
SESSION.execute(SETTINGS)


def read_parquet(path: Path, columns: str = "*", order: str = "") -> list[tuple[Any, ...]]:
    """Rows of a Parquet file, in the file's order unless another one is named."""
    ordered = f"order by {order}" if order else ""
    return SESSION.execute(f"select {columns} from read_parquet(?) {ordered}", [str(path)]).fetchall()


@contextmanager
def opened(file: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that reads a database's file, as catalog in use."""
    name = f"opened_{next(_NUMBERS)}"
    SESSION.execute(f"attach {literal(str(file))} as {name} (read_only)")
    try:
        with SESSION.cursor() as session:
            session.execute(SETTINGS)
            session.execute(f"use {name}")
            yield session
    finally:
        SESSION.execute(f"detach {name}")
