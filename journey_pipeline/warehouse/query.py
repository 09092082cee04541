"""`query`: SQL on the published file, read-only.

Not here: showing the rows (`cli/`), the writer's file, which nobody but the writer opens (`sync.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import duckdb

from journey_pipeline.errors import WarehouseError
from journey_pipeline.lake.layout import Lake
from journey_pipeline.warehouse.connection import describe, naming_failures, published_file, reading

_BATCH_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class QueryResult:
    """What a query gives.

    Attributes:
        columns: Their names, in order.
        batches: Lists of rows, read as they are asked for; the file stays open until they have all been read, or
            the iterator is closed.
    """

    columns: tuple[str, ...]
    batches: Iterator[list[tuple[Any, ...]]]


def query(lake: Lake, sql: str, *, memory: str = "1GB", threads: int = 2) -> QueryResult:
    """Runs SQL on the published warehouse as it is now; a publish meanwhile neither waits nor disturbs.

    Args:
        lake: Whose warehouse.
        sql: One or more statements; the last one's rows are given.
        memory: DuckDB's memory limit.
        threads: DuckDB's threads.

    Raises:
        WarehouseError: In one line, if nothing is published yet or DuckDB refuses the SQL; also while batches are
            read.
    """
    file = published_file(lake)
    if not file.exists():
        raise WarehouseError(
            f"nothing is published yet: {file.name} is not there; run `journey-pipeline sync` and "
            "`journey-pipeline publish`."
        )
    with ExitStack() as stack:
        with naming_failures(f"opening {file.name}", "run `journey-pipeline publish`, which mends it"):
            session = stack.enter_context(reading(lake, file, memory, threads))
        try:
            session.execute(sql)
        except duckdb.Error as error:
            raise _refused(error) from error
        columns = tuple(column[0] for column in session.description or ())
        return QueryResult(columns, _batches(session, stack.pop_all()))


def _batches(session: duckdb.DuckDBPyConnection, stack: ExitStack) -> Iterator[list[tuple[Any, ...]]]:
    with stack:
        while True:
            try:
                rows = session.fetchmany(_BATCH_ROWS)
            except duckdb.Error as error:
                raise _refused(error) from error
            if not rows:
                return
            yield rows


def _refused(error: duckdb.Error) -> WarehouseError:
    return WarehouseError(
        f"the query was refused: {describe(error)}; tables and columns: `select * from duckdb_columns()`."
    )
