"""`sync` makes the warehouse equal to the lake at a cost that grows with what is new; `rebuild` makes it from nothing.

Not here: one pass over the lake (`update.py`), what analysts open (`publish.py`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import duckdb

from journey_pipeline.files import flush_dir, flush_file
from journey_pipeline.lake.layout import Lake
from journey_pipeline.warehouse.connection import (
    UnopenableWarehouse,
    WarehouseSettings,
    reading,
    wal_of,
    warehouse_file,
    writer_lock,
    writing,
)
from journey_pipeline.warehouse.removal import forbid_loss, take_census
from journey_pipeline.warehouse.schema import prepare
from journey_pipeline.warehouse.soundness import Publication
from journey_pipeline.warehouse.update import SyncReport, update

_DEFAULTS = WarehouseSettings()


def sync(lake: Lake, settings: WarehouseSettings = _DEFAULTS) -> SyncReport:
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
        report = _sync(lake, settings)
        return replace(report, seconds=time.perf_counter() - begun)


def _sync(lake: Lake, settings: WarehouseSettings) -> SyncReport:
    file = warehouse_file(lake)
    if not file.exists():
        return make_anew(lake, settings, "")
    why = "another version of journey_pipeline made it"
    try:
        with writing(file, settings) as session:
            if prepare(session):
                report = update(session, lake, settings)
                checkpoint_begun = time.perf_counter()
                session.execute("checkpoint")
                report.phases["checkpoint"] = time.perf_counter() - checkpoint_begun
                return report
    except UnopenableWarehouse as error:
        why = f"it could not be opened ({error.why})"
    return make_anew(lake, settings, why)


def rebuild(lake: Lake, settings: WarehouseSettings = _DEFAULTS) -> SyncReport:
    """Makes the warehouse from the lake alone. A file that is broken now has no events in it, until it is healed.

    Raises:
        WarehouseError: If another process keeps writing, the lake lacks much of what is loaded, or the new file can't
            be written; the one that was there stays.
    """
    with writer_lock(lake, settings.lock_wait_s):
        begun = time.perf_counter()
        report = make_anew(lake, settings, "asked for")
        return replace(report, seconds=time.perf_counter() - begun)


def make_anew(lake: Lake, settings: WarehouseSettings, why: str) -> SyncReport:
    """What `rebuild` does; for a caller that holds the writer's lock.

    A crash at any instant leaves no half file under the warehouse's name, the first time too.
    """
    target = warehouse_file(lake)
    fresh = target.with_name("warehouse.rebuilding.duckdb")
    before = _loaded_before(lake)
    _remove(fresh)
    try:
        with writing(fresh, settings) as session:
            prepare(session)
            report = update(session, lake, settings)
            begun = time.perf_counter()
            session.execute("checkpoint")
            now = take_census(session)
        forbid_loss(before, now, report.broken, settings)
        _put(fresh, target)
    finally:
        _remove(fresh)
    report.phases["checkpoint"] = time.perf_counter() - begun
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
