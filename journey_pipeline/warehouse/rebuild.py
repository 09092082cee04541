"""`rebuild`: the warehouse from nothing, beside the one that is there, which it then replaces.

It heals whatever happened to the file, and gives back the space of deleted rows. Not here: the work itself, which is
the same as a sync's (`update.py`).
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from journey_pipeline.lake.atomic import flush_dir, flush_file
from journey_pipeline.lake.layout import Lake
from journey_pipeline.warehouse.connection import WarehouseSettings, wal_of, warehouse_file, writing
from journey_pipeline.warehouse.lock import writer_lock
from journey_pipeline.warehouse.report import SyncReport
from journey_pipeline.warehouse.schema import prepare
from journey_pipeline.warehouse.update import update

_DEFAULTS = WarehouseSettings()


def rebuild(lake: Lake, settings: WarehouseSettings = _DEFAULTS) -> SyncReport:
    """Makes the warehouse from the lake alone. A file that is broken now has no events in it, until it is healed.

    Args:
        lake: Where the files lie.
        settings: What it may use.

    Raises:
        WarehouseError: If another process keeps writing, or the new file can't be written; the one that was there
            stays.
    """
    with writer_lock(lake, settings.lock_wait_s):
        begun = time.perf_counter()
        report = make_anew(lake, settings, "asked for")
        return replace(report, seconds=time.perf_counter() - begun)


def make_anew(lake: Lake, settings: WarehouseSettings, why: str) -> SyncReport:
    """What `rebuild` does; for a caller that holds the writer's lock."""
    target = warehouse_file(lake)
    fresh = target.with_name("warehouse.rebuilding.duckdb")
    _remove(fresh)
    try:
        with writing(fresh, settings) as session:
            prepare(session)
            report = update(session, lake, settings)
            begun = time.perf_counter()
            session.execute("checkpoint")
        flush_file(fresh)
    except BaseException:
        _remove(fresh)
        raise
    # First the old log, which DuckDB would play into the new file. Without it the old file is an earlier state of
    # itself, files table included, so a crash here costs nothing but a sync.
    wal_of(target).unlink(missing_ok=True)
    flush_dir(target.parent)
    fresh.replace(target)
    flush_dir(target.parent)
    report.phases["checkpoint"] = time.perf_counter() - begun
    return replace(report, rebuilt=why)


def _remove(file: Path) -> None:
    """Takes away what a rebuild left that was killed, or that failed."""
    for path in (file, wal_of(file)):
        path.unlink(missing_ok=True)
