"""`sync` makes the warehouse equal to the lake at a cost that grows with what is new; `rebuild` makes it from nothing.

One pass looks, reads, and changes everything in one transaction. A file that is replaced while it is read spoils the
pass, which is then made again without it. Not here: each step's work (`inventory.py`, `file_checks.py`, `merge.py`,
`refresh.py`), what analysts open (`publish.py`).
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import groupby
from pathlib import Path

import duckdb

from journey_pipeline.errors import WarehouseError
from journey_pipeline.files import flush_dir, flush_file
from journey_pipeline.lake.layout import Lake
from journey_pipeline.warehouse.attributes import ATTRIBUTE_TABLES, EXPORTED_ATTRIBUTES, make_history
from journey_pipeline.warehouse.clock import Clock
from journey_pipeline.warehouse.configured import configured_tables
from journey_pipeline.warehouse.connection import (
    UnopenableWarehouse,
    WarehouseSettings,
    expect_events,
    reading,
    wal_of,
    warehouse_file,
    writer_lock,
    writing,
)
from journey_pipeline.warehouse.file_checks import Extent, measure
from journey_pipeline.warehouse.inventory import BrokenFile, FoundFile, Inventory, Listing, take_inventory
from journey_pipeline.warehouse.loaded import FileKey, Loaded, note_signatures, restate
from journey_pipeline.warehouse.merge import KEEP_ORDER, Change, Merged, merge
from journey_pipeline.warehouse.publish import Publication, take_census
from journey_pipeline.warehouse.ranking import Losers, find_losers
from journey_pipeline.warehouse.refresh import Changes, stale_tables
from journey_pipeline.warehouse.removal import forbid_loss, withhold
from journey_pipeline.warehouse.schema import EVENTS, LISTED, POPULATIONS, REJECTS, made_tables, prepare
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
    """The result of a sync or a rebuild.

    Attributes:
        added: Events files that are loaded now and were not.
        replaced: Events files that are loaded with other content now.
        removed: Events files that are gone from the lake and the warehouse.
        unchanged: Events files that are loaded as they were.
        broken: Files that can't be used and what heals each; what was loaded of them stays.
        rows_inserted: Events that went in; the events of a replaced file count, even if they are as before.
        rebuilt: Why the warehouse was made from nothing; empty if it was not.
        listing: The files of the lake that it looked at.
        phases: Seconds by phase: inventory, read, merge, tables, commit, checkpoint, put.
        cpu: Processor seconds of this process by phase.
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
    listing: Listing | None = field(default=None, repr=False)
    phases: dict[str, float] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0

    def __str__(self) -> str:
        """The changes in one line."""
        anew = " made anew" if self.rebuilt else ""
        return (
            f"warehouse{anew}: {self.added:,} partitions added, {self.replaced:,} replaced, {self.removed:,} removed; "
            f"{self.rows_inserted:,} events in, {self.rows_deleted:,} out, in {self.seconds:.1f} s"
        )


log = logging.getLogger(__name__)

_PASSES = 5
_FRESH = "warehouse.rebuilding.duckdb"
_DEFAULTS = WarehouseSettings()
BeforeAnew = Callable[[], object]
"""Called before a warehouse is made anew: brings events files of an earlier version over. Or nothing."""


def sync(lake: Lake, settings: WarehouseSettings = _DEFAULTS, before_anew: BeforeAnew = list) -> SyncReport:
    """Makes the warehouse the deduplicated union of the lake's events files, each `event_key` once.

    Everything happens in one transaction: after a crash at any point the warehouse is as it was before, and the next
    sync does the work. A warehouse that is not there yet, that another version of the package laid out, or that can't
    be opened is made from nothing, and the report says so. Where the lake lacks much of what is loaded, that stays, and
    the report names it among what is broken.

    Raises:
        WarehouseError: If another process keeps writing, or the warehouse can't be read or written.
    """
    with writer_lock(lake, settings.lock_wait_s):
        begun = time.perf_counter()
        report = _sync(lake, settings, before_anew)
        return replace(report, seconds=time.perf_counter() - begun)


def _sync(lake: Lake, settings: WarehouseSettings, before_anew: BeforeAnew) -> SyncReport:
    file = warehouse_file(lake)
    if not file.exists():
        return _make_anew(lake, settings, "", before_anew)
    _remove(file.with_name(_FRESH))
    why = "another version of journey_pipeline made it"
    try:
        with writing(file, settings) as session:
            if prepare(session):
                report = _update(session, lake, settings)
                with Clock(report.phases, report.cpu).phase("checkpoint"):
                    session.execute("checkpoint")
                return report
    except UnopenableWarehouse as error:
        why = f"it could not be opened ({error.why})"
    return _make_anew(lake, settings, why, before_anew)


def rebuild(lake: Lake, settings: WarehouseSettings = _DEFAULTS, before_anew: BeforeAnew = list) -> SyncReport:
    """Makes the warehouse from the lake alone. A file that is broken now has no events in it, until it is healed.

    Raises:
        WarehouseError: If another process keeps writing, the lake lacks much of what is loaded, or the new file can't
            be written; the one that was there stays.
    """
    with writer_lock(lake, settings.lock_wait_s):
        begun = time.perf_counter()
        report = _make_anew(lake, settings, "asked for", before_anew)
        return replace(report, seconds=time.perf_counter() - begun)


def _make_anew(lake: Lake, settings: WarehouseSettings, why: str, before_anew: BeforeAnew) -> SyncReport:
    """Rebuilds the warehouse, for a caller that holds the writer's lock.

    A crash at any instant leaves no half file under the warehouse's name, the first time too.
    """
    before_anew()
    target = warehouse_file(lake)
    fresh = target.with_name(_FRESH)
    before = _loaded_before(lake)
    _remove(fresh)
    try:
        with writing(fresh, settings) as session:
            prepare(session)
            report = _update(session, lake, settings)
            clock = Clock(report.phases, report.cpu)
            with clock.phase("checkpoint"):
                session.execute("checkpoint")
            now = take_census(session)
        forbid_loss(before, now, report.broken, settings)
        with clock.phase("put"):
            _put(fresh, target)
    finally:
        _remove(fresh)
    return replace(report, removed=_fewer_partitions(before, now), rebuilt=why)


def _put(fresh: Path, target: Path) -> None:
    flush_file(fresh)
    # First the old log, which DuckDB would play into the new file. Without it the old file is an earlier state of
    # itself, files table included, so a crash here costs nothing but a sync.
    wal_of(target).unlink(missing_ok=True)
    flush_dir(target.parent)
    fresh.replace(target)
    flush_dir(target.parent)


def _loaded_before(lake: Lake) -> Mapping[str, int]:
    """The census of the warehouse that is there; where it can't be read, of the one that was published last."""
    file, published = warehouse_file(lake), Publication.read(lake)
    if file.exists():
        try:
            with reading(lake, file, "500MB", 1) as session:
                return take_census(session)
        except duckdb.Error:  # it is why a new one is made
            pass
    return published.content.census if published else {}


def _fewer_partitions(before: Mapping[str, int], now: Mapping[str, int]) -> int:
    lacking = (of - now.get(place, 0) for place, of in before.items() if place.startswith("events/"))
    return sum(gone for gone in lacking if gone > 0)


def _remove(file: Path) -> None:
    """Takes away what a rebuild left that was killed, or that failed."""
    for path in (file, wal_of(file)):
        path.unlink(missing_ok=True)


class _Replaced(Exception):  # noqa: N818 - no error: it says, once more
    """Files were replaced while they were read."""

    def __init__(self, files: set[Path]) -> None:
        super().__init__()
        self.files = files


@dataclass(slots=True)
class _Plan:
    """The findings of a pass, and its plan."""

    listing: Listing
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


def _update(session: duckdb.DuckDBPyConnection, lake: Lake, settings: WarehouseSettings) -> SyncReport:
    """Makes the warehouse equal to the lake as it is now.

    Args:
        session: On a warehouse of this version's layout, no transaction open.

    Raises:
        WarehouseError: If the events folder is not there although files of it are loaded, or files keep being
            replaced while they are read.
        duckdb.Error: If anything else fails. In every case nothing has changed then.
    """
    moved: set[Path] = set()
    clock = Clock()
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
    session: duckdb.DuckDBPyConnection, lake: Lake, settings: WarehouseSettings, moved: set[Path], clock: Clock
) -> _Plan:
    with clock.phase("inventory"):
        loaded = Loaded.read(session)
        listing = Listing.take(lake)
        inventory = take_inventory(lake, loaded, listing)
        for folder in sorted(inventory.copies):
            log.warning("%s is a copy of another stream's folder and is ignored", lake.relative(folder))
        _withhold(lake, inventory, loaded, settings)
        for found in [*inventory.fresh, *inventory.restated]:
            if moved & found.files.keys():
                problem = "it was replaced during the read"
                passing = BrokenFile(lake.relative(found.path), problem, "sync again", is_passing=True)
                inventory.break_off(found, passing)
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
    tables = (*configured_tables(), *made_tables())
    return _Plan(
        listing, inventory, extents, losers, listed, reports, exports_differ, tables, stale_tables(session, tables)
    )


def _withhold(lake: Lake, inventory: Inventory, loaded: Loaded, settings: WarehouseSettings) -> None:
    """Keeps in the warehouse what the lake lacks, unless so little is gone that it counts as a wish."""
    removed: list[FileKey] = []
    for stream, keys in groupby(inventory.removed, lambda key: (key.connection, key.stream)):
        gone, place = list(keys), lake.relative(lake.events_root.joinpath(*stream))
        if not withhold(place, gone, len(loaded.streams[stream].events), settings, inventory.broken):
            removed += gone
    inventory.removed = removed


def _carry_out(
    session: duckdb.DuckDBPyConnection, plan: _Plan, settings: WarehouseSettings, clock: Clock
) -> SyncReport:
    inventory = plan.inventory
    if not (inventory.removed or plan.listed or plan.stale):
        expect_events(session, sum(found.manifest.events.rows for found in inventory.fresh))
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
        changes.level = _level_tables(plan, merged, attributes_changed=attributes_changed)
        changes.refresh()
    with clock.phase("commit"):
        if files := inventory.replaced_since():
            raise _Replaced(files)
        session.execute("update internal.state set revision = ?", [uuid.uuid4().hex])
        session.execute("commit")
    return _report(plan, merged, changes.days, clock)


def _level_tables(plan: _Plan, merged: Merged, *, attributes_changed: bool) -> frozenset[str]:
    """The tables loaded from files, of those that made tables read as a whole, in which no row has changed."""
    listed = {change.dimension for change in plan.listed}
    level = {table.name for name, table in LISTED.items() if name not in listed}
    if not (merged.rows_inserted or merged.rows_deleted):
        level.add(EVENTS.name)
    return frozenset(level if attributes_changed else level | {table.name for table in ATTRIBUTE_TABLES})


def _load_beside(session: duckdb.DuckDBPyConnection, plan: _Plan) -> bool:
    """Brings rejects, populations and attributes level; says whether any attributes changed."""
    inventory = plan.inventory
    coming = inventory.fresh + inventory.restated
    outgoing = plan.outgoing + [found.key for found in inventory.restated]
    rejects = {found.rejects_path: found.key for found in coming if found.manifest.rejects}
    attributes = {found.attributes_path: found.key for found in coming if found.manifest.attributes}
    populations = {found.populations_path: found.key for found in coming if found.manifest.populations}
    load_beside(session, REJECTS, outgoing, rejects)
    load_beside(session, POPULATIONS, outgoing, populations)
    return load_beside(session, EXPORTED_ATTRIBUTES, outgoing, attributes)


def _report(plan: _Plan, merged: Merged | None, days: set[date], clock: Clock) -> SyncReport:
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
        listing=plan.listing,
        phases=clock.phases,
        cpu=clock.cpu,
    )
