"""Whether contenders' tables hold the same: a digest of the columns that all of them keep, whatever they call them.

Not here: how many rows there are, which each contender says itself (`task.py`).
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from benchmarks.task import COMPARED, TIMES


def digest(file: Path, relation: str) -> int:
    """A number that depends on every value of the columns of `COMPARED`, and not on the rows' order.

    Args:
        file: A DuckDB file.
        relation: A relation that has these columns. NULL and empty text are the same, for CSV knows one of them.
    """
    values = (f"epoch_ms({name})" if name in TIMES else f"coalesce({name}, '')" for name in COMPARED)
    with duckdb.connect(file, read_only=True) as database:
        ((total,),) = database.execute(f"select sum(hash({', '.join(values)})::hugeint) from {relation}").fetchall()
    return int(total)
