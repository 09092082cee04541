"""Whether the writer's file and the published one can be used, looked at without changing them.

Not here: whether the warehouse's rows are the lake's (`equality.py`), mending anything (`sync.py`, `publish.py`).
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from journey_pipeline.errors import WarehouseError
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.signature import signature
from journey_pipeline.warehouse.connection import (
    WarehouseSettings,
    describe,
    is_locked,
    published_file,
    reading,
    wal_of,
    warehouse_file,
)
from journey_pipeline.warehouse.lock import writer_lock
from journey_pipeline.warehouse.publication import Content, Publication
from journey_pipeline.warehouse.schema import layout

_DEFAULTS = WarehouseSettings()
_SQL = "select count(*), count(distinct occurred_on) from core.journey_events"
_PUBLISH = "run `journey-pipeline publish`"


def look_at_files(lake: Lake) -> dict[str, str]:
    """What the files of the warehouse hold, by name.

    Raises:
        WarehouseError: If one can't be opened, or the published one is not what was published; says what heals it.
    """
    said = {"written": _read(lake, warehouse_file(lake)), "published": _read(lake, published_file(lake))}
    if problem := find_published_fault(lake):
        raise WarehouseError(problem)
    return said


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


def inspect_warehouse(lake: Lake, settings: WarehouseSettings = _DEFAULTS) -> str | None:
    """What keeps the writer's file from being used, and what to do; None if nothing does, or there is none yet.

    Raises:
        WarehouseError: If another process keeps writing.
    """
    file = warehouse_file(lake)
    with writer_lock(lake, settings.lock_wait_s):
        if not file.exists():
            return None
        try:
            with reading(lake, file, "500MB", threads=1) as session:
                held = session.execute("select layout from internal.state").fetchall()
        except duckdb.Error as error:
            return f"{file.name} can't be read ({describe(error)}); run `journey-pipeline sync`: it makes it anew"
    if held != [(layout(),)]:
        return (
            f"another version of journey_pipeline laid {file.name} out; run `journey-pipeline sync`: it makes it anew"
        )
    return None


def inspect_published(lake: Lake, settings: WarehouseSettings = _DEFAULTS) -> str | None:
    """What is wrong with the published file, and what to do; None if nothing is, or nothing was published yet.

    Raises:
        WarehouseError: If another process keeps writing.
    """
    with writer_lock(lake, settings.lock_wait_s):
        return find_published_fault(lake)


def find_published_fault(lake: Lake) -> str | None:
    """The same, for a caller that holds the writer's lock."""
    file, noted = published_file(lake), Publication.read(lake)
    if noted is None:
        return f"nobody noted what {file.name} holds; {_PUBLISH}" if file.exists() else None
    if signature(file) != noted.file:
        return f"{file.name} is not the file that was published: it was changed, replaced or removed; {_PUBLISH}"
    if wal_of(file).exists():
        return f"another program left {wal_of(file).name} beside {file.name}, which then can't be opened; {_PUBLISH}"
    problem = find_fault(lake, file, noted.content)
    return f"{file.name} {problem}; {_PUBLISH}" if problem else None


def find_fault(lake: Lake, file: Path, content: Content) -> str:
    """In which way a copy of the warehouse is not what it should be, once opened; empty if it is."""
    try:
        with reading(lake, file, "500MB", threads=1) as session:
            found = Content.of(session)
    except duckdb.Error as error:
        return f"can't be opened ({describe(error)})"
    if found != content:
        return f"holds {found.events:,} events of another state than the warehouse's {content.events:,}"
    return ""
