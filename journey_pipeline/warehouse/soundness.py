"""Whether the writer's file and the published one can be used, and are what was published last, looked at unchanged.

Not here: whether the warehouse's rows are the lake's (`equality.py`), mending anything (`sync.py`, `publish.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import duckdb

from journey_pipeline.errors import WarehouseError
from journey_pipeline.files import write_bytes
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.signature import Signature, signature
from journey_pipeline.warehouse.connection import (
    WriterAtWork,
    describe,
    is_locked,
    published_file,
    reading,
    wal_of,
    warehouse_file,
    writer_lock,
)
from journey_pipeline.warehouse.removal import take_census
from journey_pipeline.warehouse.schema import EVENTS, has_table, read_revision


@dataclass(frozen=True, slots=True)
class Content:
    """What a warehouse holds.

    Attributes:
        revision: Its state; empty if it has never been synced.
        events: Its events.
        census: What it is made of, by place in the lake.
    """

    revision: str
    events: int
    census: Mapping[str, int]

    @classmethod
    def of(cls, session: duckdb.DuckDBPyConnection) -> Content:
        """What the session's warehouse holds."""
        events = 0
        if has_table(session, EVENTS.name):
            ((events,),) = session.execute(f"select count(*) from {EVENTS.name}").fetchall()
        return cls(read_revision(session), events, take_census(session))


@dataclass(frozen=True, slots=True)
class Publication:
    """A file that was published.

    Attributes:
        file: Which one.
        content: What it holds.
    """

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
    """What the files of the warehouse hold, by name.

    Raises:
        WarehouseError: If one can't be opened, or the published one is not what was published; says what heals it.
    """
    written = _read(lake, warehouse_file(lake))
    if problem := find_published_fault(lake):
        raise WarehouseError(f"{problem}; {_PUBLISH}")
    return {"written": written, "published": _read(lake, published_file(lake))}


def _read(lake: Lake, file: Path) -> str:
    if not file.exists():
        return f"{file} is not there yet"
    try:
        with reading(lake, file, "500MB", threads=1) as session:
            ((events, days),) = session.execute(_SQL).fetchall()
    except duckdb.Error as error:
        if is_locked(error):
            return f"{file} is being written"
        raise WarehouseError(f"{file} can't be read ({describe(error)}). Run `journey-pipeline rebuild`.") from error
    return f"{file} holds {events:,} events of {days:,} days"


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
    """What is wrong with the published file, for a caller that holds the writer's lock."""
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
