"""One pass that makes an open warehouse equal to the lake: look, read, and change everything in one transaction.

A file that is replaced while it is read spoils the pass, which is then made again without it. Not here: locks and
files (`sync.py`), each step's work (`inventory.py`, `file_checks.py`, `merge.py`, `refresh.py`).
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby
from pathlib import Path

import duckdb

from journey_pipeline.errors import WarehouseError
from journey_pipeline.lake.layout import Lake
from journey_pipeline.warehouse.attributes import EXPORTED_ATTRIBUTES, make_history
from journey_pipeline.warehouse.connection import WarehouseSettings
from journey_pipeline.warehouse.file_checks import Extent, measure
from journey_pipeline.warehouse.inventory import BrokenFile, FoundFile, Inventory, take_inventory
from journey_pipeline.warehouse.loaded import FileKey, Loaded, note_signatures, restate
from journey_pipeline.warehouse.merge import KEEP_ORDER, Change, Merged, merge
from journey_pipeline.warehouse.ranking import Losers, find_losers
from journey_pipeline.warehouse.refresh import Changes, stale_tables
from journey_pipeline.warehouse.removal import withhold
from journey_pipeline.warehouse.schema import REJECTS, made_tables
from journey_pipeline.warehouse.side_files import (
    ListedChange,
    ReportsChange,
    find_reports,
    load_beside,
    load_dimensions,
    load_exports,
    load_reports,
    stage_dimensions,
    stage_exports,
)
from journey_pipeline.warehouse.table import Table


@dataclass(slots=True)
class SyncReport:
    """What a sync or a rebuild did.

    Attributes:
        added: Events files that are loaded now and were not.
        replaced: Events files that are loaded with other content now.
        removed: Events files that are gone from the lake and the warehouse.
        unchanged: Events files that are loaded as they were.
        broken: Files that can't be used and what heals each; what was loaded of them stays.
        rows_inserted: Events that went in; the events of a replaced file count, even if they are as before.
        rows_deleted: Events that went out.
        days_touched: Days whose marts were made again.
        rebuilt: Why the warehouse was made from nothing; empty if it was not.
        phases: Seconds by phase: inventory, read, merge, tables, commit, checkpoint.
        seconds: In all, without waiting for another writer.
    """

    added: int = 0
    replaced: int = 0
    removed: int = 0
    unchanged: int = 0
    broken: tuple[BrokenFile, ...] = ()
    rows_inserted: int = 0
    rows_deleted: int = 0
    days_touched: int = 0
    rebuilt: str = ""
    phases: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0

    def __str__(self) -> str:
        """What changed, in one line."""
        anew = f"made anew ({self.rebuilt}): " if self.rebuilt else ""
        return (
            f"warehouse {anew}{self.added:,} partitions added, {self.replaced:,} replaced, {self.removed:,} removed; "
            f"{self.rows_inserted:,} events in, {self.rows_deleted:,} out, in {self.seconds:.1f} s"
        )


@dataclass(frozen=True, slots=True)
class PublishReport:
    """What a publish did.

    Attributes:
        published: Whether a new file was put in place; not, if the published one is of this state already.
        bytes: Size of the published file.
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
        """What of other programs' work was undone, in a sentence each."""
        said = []
        if self.set_aside:
            said.append(f"another program left a log beside the warehouse; it is moved to {self.set_aside}")
        if self.fault:
            said.append(f"found that {self.fault}; put a new copy in its place")
        return said


log = logging.getLogger(__name__)

_PASSES = 5


class _Replaced(Exception):  # noqa: N818 - no error: it says, once more
    """Files were replaced while they were read."""

    def __init__(self, files: set[Path]) -> None:
        super().__init__()
        self.files = files


@dataclass(slots=True)
class _Plan:
    """What a pass found and is going to do."""

    inventory: Inventory
    extents: dict[FoundFile, Extent]
    losers: Losers
    listed: list[ListedChange]
    reports: ReportsChange
    exports_differ: bool
    tables: tuple[Table, ...]
    stale: set[Table]

    @property
    def outgoing(self) -> list[FileKey]:
        return [found.key for found in self.inventory.replaced] + self.inventory.removed

    @property
    def is_empty(self) -> bool:
        inventory = self.inventory
        changed = self.outgoing or inventory.added or inventory.restated or self.listed or self.stale
        return not (changed or self.exports_differ) and self.reports.is_empty


@dataclass(slots=True)
class _Clock:
    """Seconds by phase."""

    phases: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        begun = time.perf_counter()
        yield
        self.phases[name] = self.phases.get(name, 0.0) + time.perf_counter() - begun


def update(session: duckdb.DuckDBPyConnection, lake: Lake, settings: WarehouseSettings) -> SyncReport:
    """Makes the warehouse equal to the lake as it is now.

    Args:
        session: On a warehouse of this version's layout, no transaction open.

    Raises:
        WarehouseError: If the events folder is not there although files of it are loaded, or files keep being
            replaced while they are read.
        duckdb.Error: If anything else fails. In every case nothing has changed then.
    """
    moved: set[Path] = set()
    clock = _Clock()
    for _ in range(_PASSES):
        session.execute(KEEP_ORDER)  # a pass that failed may have left it off
        plan = _plan(session, lake, settings, moved, clock)
        note_signatures(session, plan.inventory.touched)
        if plan.is_empty:
            return _report(plan, None, set(), clock)
        session.execute("begin")
        try:
            return _carry_out(session, plan, settings, clock)
        except _Replaced as replaced:
            session.execute("rollback")
            moved |= replaced.files
        except duckdb.Error:
            session.execute("rollback")
            if not (files := plan.inventory.replaced_since()):
                raise
            moved |= files
    raise WarehouseError(
        f"syncing the warehouse was tried {_PASSES} times, and each time files were replaced during the read. "
        "Nothing has changed. Sync again when fewer partitions are being normalized."
    )


def _plan(
    session: duckdb.DuckDBPyConnection, lake: Lake, settings: WarehouseSettings, moved: set[Path], clock: _Clock
) -> _Plan:
    with clock.phase("inventory"):
        loaded = Loaded.read(session)
        inventory = take_inventory(lake, loaded)
        for folder in sorted(inventory.copies):
            log.warning("%s is a copy of another stream's folder and is ignored", lake.relative(folder))
        _withhold(lake, inventory, loaded, settings)
        for found in [*inventory.fresh, *inventory.restated]:
            if moved & found.files.keys():
                problem = "it was replaced during the read"
                inventory.break_off(found, BrokenFile(lake.relative(found.path), problem, "sync again"))
    with clock.phase("read"):
        extents = {}
        for found, extent in measure(session, [*inventory.fresh, *inventory.restated]).items():
            if isinstance(extent, str):
                inventory.break_off(found, BrokenFile(lake.relative(found.path), extent))
            else:
                extents[found] = extent
        listed = stage_dimensions(session, lake, settings, inventory.broken)
        reports = find_reports(session, lake, settings, inventory.broken)
        exports_differ = stage_exports(session, lake, settings, inventory.broken)
        losers = find_losers(session, lake, inventory, moved)
    tables = made_tables()
    return _Plan(inventory, extents, losers, listed, reports, exports_differ, tables, stale_tables(session, tables))


def _withhold(lake: Lake, inventory: Inventory, loaded: Loaded, settings: WarehouseSettings) -> None:
    """Leaves in the warehouse what is gone from the lake without anybody having said that it shall go."""
    removed: list[FileKey] = []
    for stream, keys in groupby(inventory.removed, lambda key: (key.connection, key.stream)):
        gone, place = list(keys), lake.relative(lake.events_root.joinpath(*stream))
        if not withhold(place, gone, loaded.streams[stream].files, settings, inventory.broken):
            removed += gone
    inventory.removed = removed


def _carry_out(
    session: duckdb.DuckDBPyConnection, plan: _Plan, settings: WarehouseSettings, clock: _Clock
) -> SyncReport:
    inventory = plan.inventory
    with clock.phase("merge"):
        incoming = {found: plan.extents[found] for found in inventory.fresh}
        changes = Changes(session, plan.tables, plan.stale)
        merged = merge(session, Change(plan.outgoing, incoming, plan.losers.files), settings, changes)
        plan.losers.mark_unreadable(session)
        for found in inventory.restated:
            restate(session, found.key, found.manifest_sha256, found.manifest_signature, found.manifest_text)
        attributes_changed = _load_beside(session, plan)
    with clock.phase("tables"):
        if attributes_changed:
            make_history(session)
        load_dimensions(session, plan.listed)
        load_reports(session, plan.reports)
        if plan.exports_differ:
            load_exports(session)
        changes.refresh()
    with clock.phase("commit"):
        if files := inventory.replaced_since():
            raise _Replaced(files)
        session.execute("update internal.state set revision = ?", [uuid.uuid4().hex])
        session.execute("commit")
    return _report(plan, merged, changes.days, clock)


def _load_beside(session: duckdb.DuckDBPyConnection, plan: _Plan) -> bool:
    """Brings rejects and attributes level; says whether any attributes changed."""
    inventory = plan.inventory
    coming = inventory.fresh + inventory.restated
    outgoing = plan.outgoing + [found.key for found in inventory.restated]
    rejects = {found.rejects_path: found.key for found in coming if found.manifest.rejects}
    attributes = {found.attributes_path: found.key for found in coming if found.manifest.attributes}
    load_beside(session, REJECTS, outgoing, rejects)
    return load_beside(session, EXPORTED_ATTRIBUTES, outgoing, attributes)


def _report(plan: _Plan, merged: Merged | None, days: set[date], clock: _Clock) -> SyncReport:
    inventory = plan.inventory
    return SyncReport(
        added=len(inventory.added),
        replaced=len(inventory.replaced),
        removed=len(inventory.removed),
        unchanged=inventory.unchanged + len(inventory.restated),
        broken=tuple(inventory.broken),
        rows_inserted=merged.rows_inserted if merged else 0,
        rows_deleted=merged.rows_deleted if merged else 0,
        days_touched=len(days),
        phases=clock.phases,
    )
