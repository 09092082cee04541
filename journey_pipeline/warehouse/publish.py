"""`publish`: puts a finished copy of the warehouse where analysts open it, and says whether it is that copy still.

The copy takes the place of the earlier one by a rename: a program that has that one open keeps it, and one that opens
the path next has the new one. Neither side waits. Not here: reading it (`questions.py`), whether the warehouse's rows
are the lake's (`equality.py`).
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import duckdb

from journey_pipeline.errors import WarehouseError
from journey_pipeline.files import TEMPORARY_SUFFIX, Signature, flush_dir, refusal, replacing, signature, write_bytes
from journey_pipeline.lake.layout import Lake
from journey_pipeline.warehouse.connection import (
    WarehouseSettings,
    WriterAtWork,
    describe,
    is_locked,
    number_of,
    published_file,
    reading,
    wal_of,
    warehouse_file,
    writer_lock,
    writing,
)
from journey_pipeline.warehouse.schema import EVENTS, has_table, read_revision

_DEFAULTS = WarehouseSettings()
_COPY_AT_ONCE = 1 << 30
# What is loaded from the lake, counted by where it lies there.
_CENSUS = {
    "internal.files": "select concat_ws('/', 'events', connection, stream), count(*) from internal.files group by all",
    "internal.dimension_files": (
        "select 'dimensions/' || connection, count(*) from internal.dimension_files group by all"
    ),
    "internal.drift_reports": "select parse_dirpath(path), count(*) from internal.drift_reports group by all",
    "ops.exports": "select 'exports/ledger.json', count(*) from ops.exports having count(*) > 0",
}
_READ_ONLY = 0o444  # a client that opens it as DuckDB does by default would lock all others out


@dataclass(frozen=True, slots=True)
class PublishReport:
    """The result of a publish.

    Attributes:
        published: Whether a new file was put in place; not, if the published one is of this state already.
        seconds: In all, without waiting for another writer.
        set_aside: How a log is named now that another program had left beside that file or the writer's; empty if
            there was none.
        fault: What was wrong with the file that the new one replaced; empty if nothing.
    """

    published: bool
    bytes: int
    seconds: float
    set_aside: str = ""
    fault: str = ""

    @property
    def mended(self) -> list[str]:
        """The changes of other programs that were undone, a sentence each."""
        said = []
        if self.set_aside:
            said.append(f"another program left a log beside the warehouse; it is moved to {self.set_aside}")
        if self.fault:
            said.append(f"found that {self.fault}; put a new copy in its place")
        return said


def publish(lake: Lake, settings: WarehouseSettings = _DEFAULTS) -> PublishReport:
    """Puts the warehouse's present state in place as `journeys.duckdb`, unless it is there already.

    Raises:
        WarehouseError: If there is no warehouse yet, another process keeps writing it, or there is no room.
    """
    with writer_lock(lake, settings.lock_wait_s):
        begun = time.perf_counter()
        target = published_file(lake)
        content = _settled_content(warehouse_file(lake), settings)
        set_aside = ", ".join(filter(None, map(_set_log_aside, (warehouse_file(lake), target))))
        noted = Publication.read(lake)
        is_level = noted is not None and noted.content == content
        fault = find_published_fault(lake) if is_level else find_other_file(lake)
        is_new = fault is not None or not is_level
        if is_new:
            _put(lake, target, content)
            if problem := find_other_file(lake) or _find_foreign_log(lake):
                raise WarehouseError(f"{target.name} differs from the published copy: {problem}.")
        return PublishReport(is_new, target.stat().st_size, time.perf_counter() - begun, set_aside, fault or "")


def _put(lake: Lake, target: Path, content: Content) -> None:
    """Copies the warehouse, looks at the copy, and only then lets it take the earlier one's place."""
    for file in (target, publication_note(lake)):
        for leftover in file.parent.glob(f".{file.name}.*{TEMPORARY_SUFFIX}"):
            leftover.unlink()  # what a killed publish left; the lock says that there is no other
    try:
        with replacing(target) as temporary:
            copy_file(warehouse_file(lake), temporary)
            temporary.chmod(_READ_ONLY)
            if fault := find_fault(lake, temporary, content):
                raise WarehouseError(
                    f"publishing {target.name} failed: the copy {fault}. The earlier file stays in place; run "
                    "`journey-pipeline rebuild`."
                )
        placed = signature(target)
        if placed:
            Publication(placed, content).write(lake)
    except OSError as error:
        raise WarehouseError(
            f"publishing {target.name} failed: {refusal(error, target.parent)} The earlier file stays in place."
        ) from error


def _set_log_aside(target: Path) -> str:
    """Moves a log that another program left beside a file, which can't be opened with it; gives the log's new name.

    A log of our own is in the file once that has been settled, and gone.
    """
    foreign = wal_of(target)
    if not foreign.exists():
        return ""
    kept = target.with_name(f"{target.name}.foreign-wal")
    try:
        foreign.replace(kept)
        flush_dir(target.parent)
    except OSError as error:
        raise WarehouseError(
            f"{foreign.name}, which another program left beside {target.name}, can't be moved away: "
            f"{refusal(error, target.parent)}"
        ) from error
    return kept.name


def copy_file(source: Path, target: Path) -> None:
    """Copies a file inside the kernel, where the system can; without copying at all, where the file system shares."""
    if not hasattr(os, "copy_file_range"):
        shutil.copyfile(source, target)
        return
    with source.open("rb") as read, target.open("wb") as write:
        try:
            while os.copy_file_range(read.fileno(), write.fileno(), _COPY_AT_ONCE):
                pass
        except OSError:
            if write.tell() or os.lseek(write.fileno(), 0, os.SEEK_CUR):
                raise
            shutil.copyfileobj(read, write, 1 << 20)  # a file system that can't


def _settled_content(source: Path, settings: WarehouseSettings) -> Content:
    """The content of the warehouse, once all commits are in the file."""
    content = Content("", 0, {})
    if source.exists():
        with writing(source, settings) as session:
            session.execute("checkpoint")
            content = Content.of(session)
    if not content.revision:
        raise WarehouseError("there is no warehouse to publish yet; run `journey-pipeline sync` first.")
    return content


@dataclass(frozen=True, slots=True)
class Content:
    """The content of a warehouse.

    Attributes:
        revision: Its state; empty if it has never been synced.
        census: What it is made of, by place in the lake.
    """

    revision: str
    events: int
    census: Mapping[str, int]

    @classmethod
    def of(cls, session: duckdb.DuckDBPyConnection) -> Content:
        """The content of the session's warehouse."""
        events = 0
        if has_table(session, EVENTS.name):
            events = number_of(session, f"select count(*) from {EVENTS.name}")
        return cls(read_revision(session), events, take_census(session))


def take_census(session: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """How much of the lake is loaded, by place; of a warehouse of any layout."""
    counted: dict[str, int] = {}
    for table, sql in _CENSUS.items():
        if has_table(session, table):
            counted.update(session.execute(sql).fetchall())
    return counted


@dataclass(frozen=True, slots=True)
class Publication:
    """A file that was published."""

    file: Signature
    content: Content

    def write(self, lake: Lake) -> None:
        """Notes it."""
        write_bytes(publication_note(lake), json.dumps(asdict(self)).encode())

    @classmethod
    def read(cls, lake: Lake) -> Publication | None:
        """The note that was kept, if it can be used."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            noted = json.loads(publication_note(lake).read_bytes())
            inode, changed, size = noted["file"]
            return cls((inode, changed, size), Content(**noted["content"]))
        return None


def publication_note(lake: Lake) -> Path:
    """Where the note lies."""
    return lake.home / "warehouse.published.json"


_SQL = "select count(*), count(distinct occurred_on) from core.journey_events"
_PUBLISH = "run `journey-pipeline publish`"


def look_at_files(lake: Lake) -> dict[str, str]:
    """The contents of the warehouse's files, by name.

    Raises:
        WarehouseError: If one can't be opened, or the published one is not what was published; says what heals it.
    """
    written = _read(lake, warehouse_file(lake))
    if problem := find_published_fault(lake):
        raise WarehouseError(f"{problem}; {_PUBLISH}")
    return {"written": written, "published": _read(lake, published_file(lake))}


def _read(lake: Lake, file: Path) -> str:
    name = file.name if file.is_relative_to(lake.home) else file
    if not file.exists():
        return f"{name} is not there yet"
    try:
        with reading(lake, file, "500MB", threads=1) as session:
            ((events, days),) = session.execute(_SQL).fetchall()
    except duckdb.Error as error:
        if is_locked(error):
            return f"{name} is being written"
        raise WarehouseError(f"{file} can't be read ({describe(error)}). Run `journey-pipeline rebuild`.") from error
    return f"{name} holds {events:,} events of {days:,} days"


def glance_at_published(lake: Lake) -> str | None:
    """Whether another program has been at the published file, told without opening it, and what to do.

    Nothing is said of the file while a writer is at work, which may be putting a new one in place.
    """
    problem = find_other_file(lake)
    if problem:
        try:
            with writer_lock(lake, 0):
                problem = find_other_file(lake)
        except WriterAtWork:
            problem = None
        except WarehouseError:  # who only reads here can't wait for a writer
            return f"{problem}; {_PUBLISH}"
    problem = problem or _find_foreign_log(lake)
    return f"{problem}; {_PUBLISH}" if problem else None


def find_published_fault(lake: Lake) -> str | None:
    """The fault of the published file, or none, for a caller that holds the writer's lock."""
    file, noted = published_file(lake), Publication.read(lake)
    if noted is None:
        return f"there is no note of what {file.name} holds" if file.exists() else None
    if problem := find_other_file(lake) or _find_foreign_log(lake):
        return problem
    problem = find_fault(lake, file, noted.content)
    return f"{file.name} {problem}" if problem else None


def find_other_file(lake: Lake) -> str | None:
    """Whether the published file is another one than was put there, by its time and size.

    Its number says nothing: a home that was copied or restored has files of other numbers and the same content.
    """
    file, noted = published_file(lake), Publication.read(lake)
    found = signature(file)
    if noted is None or (found and found[1:] == noted.file[1:]):
        return None
    if found is None:
        return f"{file.name} is missing, although one was published"
    return f"{file.name} is not the file that was published: it was changed or replaced"


def _find_foreign_log(lake: Lake) -> str | None:
    log = wal_of(published_file(lake))
    if not log.exists():
        return None
    name = published_file(lake).name
    return f"another program left {log.name} beside {name}. Programs open {name} with it, or can't open it"


def find_fault(lake: Lake, file: Path, content: Content) -> str:
    """In which way a copy of the warehouse is not what it should be, once opened; empty if it is."""
    try:
        with reading(lake, file, "500MB", threads=1) as session:
            found = Content.of(session)
    except duckdb.Error as error:
        return f"can't be opened ({describe(error)})"
    if found != content:
        return f"holds {found.events:,} events; the warehouse has others, {content.events:,}"
    return ""
