"""Giving the room of deleted rows back to the disk, where Dagster keeps its history in SQLite.

A file is made anew once, by `VACUUM`, in a form whose free pages can be given back; after that they are given back a
few at a time, so that who writes meanwhile hardly waits. PostgreSQL does all this by itself. Not here: what is deleted
(`old_runs.py`).
"""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import sqlalchemy as sa

from journey_pipeline.errors import text_of

BUSY_S = 10.0  # how long to wait for others that write
PAGES = 1000  # given back at a time
_INCREMENTAL = 2
_SMALL_PAGE = 512


def pack(file: Path) -> None:
    """Makes the file of a run's log as small as it gets: its tables are many and nearly empty, a page each and more.

    A file that another process has open stays as it is.

    Raises:
        sqlite3.Error: If it can't be written.
    """
    with closing(sqlite3.connect(file, timeout=BUSY_S, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = DELETE").fetchall()  # pages keep their size in the other mode
        database.execute(f"PRAGMA page_size = {_SMALL_PAGE}")
        database.execute("VACUUM")


def is_packed(file: Path) -> bool:
    """Whether `pack` has been done to a file."""
    with file.open("rb") as opened:
        return opened.read(18)[16:] == _SMALL_PAGE.to_bytes(2, "big")


@dataclass(frozen=True, slots=True)
class Compacted:
    """What a look at one file came to.

    Attributes:
        file: Which file.
        bytes: How much smaller it is.
        why_not: Why it is as it was; empty unless something kept it.
    """

    file: Path
    bytes: int
    why_not: str = ""


def compact_history(instance: dg.DagsterInstance) -> list[Compacted]:
    """Gives back what is free in the files of runs, events and ticks; none where they are in another database."""
    return [_compact(file) for file in history_files(instance)]


def history_files(instance: dg.DagsterInstance) -> list[Path]:
    """The SQLite files of a history, without the log of each run."""
    runs: Any = instance.run_storage
    events: Any = instance.event_log_storage
    ticks: Any = instance.schedule_storage
    connections = [runs.connect(), events.index_connection(), *([ticks.connect()] if ticks else [])]
    return sorted({file for connection in connections for file in _files_of(connection)})


def _files_of(connection: Any) -> Iterator[Path]:
    with connection as opened:
        if opened.dialect.name == "sqlite":
            rows = opened.execute(sa.text("PRAGMA database_list")).all()
            yield from (Path(row[2]) for row in rows if row[2])


def _compact(file: Path) -> Compacted:
    before = _size(file)
    try:
        with closing(sqlite3.connect(file, timeout=BUSY_S, isolation_level=None)) as database:
            if why_not := _give_back(database, file):
                return Compacted(file, 0, why_not)
    except sqlite3.Error as error:
        return Compacted(file, max(before - _size(file), 0), text_of(error))
    return Compacted(file, before - _size(file))


def _give_back(database: sqlite3.Connection, file: Path) -> str:
    """Gives back what is free; says why not if it is not done."""
    if _pragma(database, "auto_vacuum") != _INCREMENTAL:
        used = (_pragma(database, "page_count") - _pragma(database, "freelist_count")) * _pragma(database, "page_size")
        if shutil.disk_usage(file.parent).free < 2 * used:
            return f"the disk lacks the room to make it anew ({2 * used / 1e6:,.0f} MB)"
        database.execute(f"PRAGMA auto_vacuum = {_INCREMENTAL}")
        database.execute("VACUUM")
    while _pragma(database, "freelist_count"):
        database.execute(f"PRAGMA incremental_vacuum({PAGES})").fetchall()
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return ""


def _pragma(database: sqlite3.Connection, name: str) -> int:
    (value,) = database.execute(f"PRAGMA {name}").fetchone()
    return int(value)


def _size(file: Path) -> int:
    wal = file.with_name(file.name + "-wal")
    return sum(path.stat().st_size for path in (file, wal) if path.exists())
