"""A DuckDB for one normalization: its limits, its folder for work. It is kept for the next partition of the process.

Not here: the statements that run in it (`staging.py`, `deduplication.py`).
"""

from __future__ import annotations

import atexit
import errno
import os
import shutil
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import duckdb

from journey_pipeline.errors import LakeError
from journey_pipeline.files import met_disk_trouble, refusal
from journey_pipeline.lake.layout import Lake
from journey_pipeline.sql import literal

MOST_IDLE = 8


@dataclass(frozen=True, slots=True)
class NormalizeLimits:
    """Limits of one normalization. Each concurrent one uses as much again.

    There is no number of threads: one computes, in the order of the landing, while another inflates and parses. More
    would finish row groups in a changing order, and the same landing would no longer give the same bytes.

    Attributes:
        memory: DuckDB's limit, as DuckDB writes it; above it goes to disk. The process needs some 120 MiB besides.
        block_bytes: How much CSV is parsed at a time.
        longest_record_bytes: A record longer than this stops the partition.
        row_group_rows: Rows of a row group; a multiple of 2048.
        keys_at_a_time: About how many keys are compared at a time. Of more, each part of them is read by itself.
    """

    memory: str = "200MB"
    block_bytes: int = 1 << 20
    longest_record_bytes: int = 64 << 20
    row_group_rows: int = 20_480
    keys_at_a_time: int = 1_000_000


@dataclass(frozen=True, slots=True)
class Session:
    """An open DuckDB.

    Attributes:
        connection: Where statements run.
        folder: Where temporary files go; removed at the end.
    """

    connection: duckdb.DuckDBPyConnection
    folder: Path
    limits: NormalizeLimits

    @property
    def is_alone(self) -> bool:
        """Whether no other one is at work in this process."""
        return _POOL.at_work <= 1

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
            f"copy ({select}) to {literal(str(to))} (format parquet, compression zstd, compression_level 1, "
            f"row_group_size {self.limits.row_group_rows})"
        )


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a kept DuckDB must share with the one that is asked for."""

    memory: str
    macros: tuple[str, ...]

    def open(self) -> duckdb.DuckDBPyConnection:
        """Opens one: that takes tens of milliseconds, of which the macros take most."""
        connection = duckdb.connect(
            config={
                "threads": 1,
                "memory_limit": self.memory,
                "autoinstall_known_extensions": False,
                # A file that is scanned stays the side that is scanned, so that its order is the answer's order; and
                # what a recipe refuses by is computed once, not a second time below the recipe.
                "disabled_optimizers": "join_order,build_side_probe_side,filter_pushdown",
            }
        )
        for statement in ("set timezone = 'UTC'", *self.macros):
            connection.execute(statement)
        return connection


@dataclass(slots=True)
class _Pool:
    """The DuckDBs of this process: how many are at work, and the idle ones, the last used at the end."""

    at_work: int = 0
    _idle: list[tuple[_Kind, duckdb.DuckDBPyConnection]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, kind: _Kind) -> duckdb.DuckDBPyConnection:
        with self._lock:
            found = next((number for number, (one, _) in enumerate(self._idle) if one == kind), None)
            if found is not None:
                return self._idle.pop(found)[1]
        return kind.open()

    @contextmanager
    def working(self) -> Iterator[None]:
        """Counts one more at work inside the block."""
        with self._lock:
            self.at_work += 1
        try:
            yield
        finally:
            with self._lock:
                self.at_work -= 1

    def keep(self, kind: _Kind, connection: duckdb.DuckDBPyConnection) -> None:
        with self._lock:
            self._idle.append((kind, connection))
        self.close_all_but(MOST_IDLE)

    def close_all_but(self, number: int) -> None:
        with self._lock:
            first = max(len(self._idle) - number, 0)
            surplus, self._idle = self._idle[:first], self._idle[first:]
        for _, idle in surplus:
            idle.close()


_POOL = _Pool()
atexit.register(_POOL.close_all_but, 0)  # before the interpreter takes DuckDB apart
# A forked process can't use its parent's, nor take it apart.
os.register_at_fork(before=partial(_POOL.close_all_but, 0))


@contextmanager
def session(
    lake: Lake, limits: NormalizeLimits, work: str = "normalizing", *, macros: Sequence[str] = ()
) -> Iterator[Session]:
    """A DuckDB in memory that spills to the lake's folder for work, as if it were a new one.

    It is kept for the next partition, but not after an error, and not if it has spilled.

    Args:
        work: What is being done, for messages.
        macros: Statements that make functions. They run once, when it is opened.

    Raises:
        LakeError: If its memory or the disk does not suffice.
    """
    folder = lake.work_dir / f"normalize-{uuid.uuid4().hex[:12]}"
    folder.mkdir(parents=True)
    try:
        kind = _Kind(limits.memory, tuple(macros))
        with _POOL.working(), _connection(kind, folder / "spill") as connection:
            yield Session(connection, folder, limits)
    except duckdb.OutOfMemoryException as error:
        raise LakeError(
            f"{work} ran out of the {limits.memory} that DuckDB may use. Raise `normalize_memory` in defs.yaml "
            "(`memory` of NormalizeLimits), and normalize it again; what landed is whole."
        ) from error
    except duckdb.IOException as error:
        cause = met_disk_trouble(error) or OSError(errno.EIO, type(error).__name__)
        raise LakeError(f"{work} failed: {refusal(cause, lake.home)}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _connection(kind: _Kind, spill: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    connection = _POOL.take(kind)
    try:
        connection.execute(f"set temp_directory = {literal(str(spill))}")
        yield connection
        _drop_tables(connection)
    except BaseException:
        connection.close()
        raise
    else:
        if spill.exists():  # it can't be given another folder any more
            connection.close()
        else:
            _POOL.keep(kind, connection)


def _drop_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Leaves nothing of a partition behind."""
    for (table,) in connection.execute("select table_name from duckdb_tables() where temporary").fetchall():
        connection.execute(f"drop table {table}")
