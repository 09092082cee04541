"""A DuckDB of its own for one normalization: its limits, its folder for work.

Not here: the statements that run in it (`recipe_sql.py`, `staging.py`, `deduplication.py`).
"""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from journey_pipeline.errors import LakeError
from journey_pipeline.files import refusal
from journey_pipeline.lake.layout import Lake


@dataclass(frozen=True, slots=True)
class NormalizeLimits:
    """What one normalization may use. Each one that runs at the same time uses as much again.

    There is no number of threads: one computes, in the order of the landing, while another inflates and parses. More
    would finish row groups in a changing order, and the same landing would no longer give the same bytes.

    Attributes:
        memory: DuckDB's limit, as DuckDB writes it; above it goes to disk. The process needs some 120 MiB besides.
        block_bytes: How much CSV is parsed at a time.
        longest_record_bytes: A record longer than this stops the partition.
        row_group_rows: Rows of a row group; a multiple of 2048.
    """

    memory: str = "200MB"
    block_bytes: int = 1 << 20
    longest_record_bytes: int = 64 << 20
    row_group_rows: int = 20_480


@dataclass(frozen=True, slots=True)
class Session:
    """An open DuckDB.

    Attributes:
        connection: Where statements run.
        folder: Where temporary files go; removed at the end.
        limits: What it may use.
    """

    connection: duckdb.DuckDBPyConnection
    folder: Path
    limits: NormalizeLimits

    def one(self, statement: str, parameters: list[object] | None = None) -> tuple[Any, ...]:
        """The first row of an answer that has one."""
        rows: list[tuple[Any, ...]] = self.connection.execute(statement, parameters).fetchall()
        return rows[0]

    def count(self, statement: str, parameters: list[object] | None = None) -> int:
        """The one number that a statement answers."""
        return int(self.one(statement, parameters)[0])

    def copy(self, select: str, to: Path) -> int:
        """Writes an answer to a Parquet file, in its order.

        Returns:
            The rows written.
        """
        return self.count(
            f"copy ({select}) to {quoted(str(to))} (format parquet, compression zstd, compression_level 1, "
            f"row_group_size {self.limits.row_group_rows})"
        )


@contextmanager
def session(lake: Lake, limits: NormalizeLimits, work: str = "normalizing") -> Iterator[Session]:
    """Opens a DuckDB in memory that spills to the lake's folder for work.

    Args:
        work: What is being done, for messages.

    Raises:
        LakeError: If its memory or the disk does not suffice.
    """
    folder = lake.work_dir / f"normalize-{uuid.uuid4().hex[:12]}"
    folder.mkdir(parents=True)
    config: dict[str, str | bool | int | float | list[str]] = {
        "threads": 1,
        "memory_limit": limits.memory,
        "temp_directory": str(folder / "spill"),
        "autoinstall_known_extensions": False,
        # A file that is scanned stays the side that is scanned, so that its order is the answer's order; and what a
        # recipe refuses by is computed once, not a second time below the recipe.
        "disabled_optimizers": "join_order,build_side_probe_side,filter_pushdown",
    }
    try:
        with duckdb.connect(config=config) as connection:
            connection.execute("set timezone = 'UTC'")
            yield Session(connection, folder, limits)
    except duckdb.OutOfMemoryException as error:
        raise LakeError(
            f"{work} ran out of the {limits.memory} that DuckDB may use. Raise `normalize_memory` in defs.yaml "
            "(`memory` of NormalizeLimits), and normalize it again; what landed is whole."
        ) from error
    except duckdb.IOException as error:
        full = os.strerror(errno.ENOSPC)
        cause = OSError(errno.ENOSPC, full) if full in str(error) else OSError(errno.EIO, type(error).__name__)
        raise LakeError(f"{work} failed: {refusal(cause, lake.home)}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def quoted(text: str) -> str:
    """Text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"
