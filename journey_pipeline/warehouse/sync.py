"""`sync`: makes the warehouse equal to the lake at a cost that grows with what is new.

Not here: how (`update.py`), the same from nothing (`rebuild.py`), handing it to the analysts (`publish.py`).
"""

from __future__ import annotations

import time
from dataclasses import replace

from journey_pipeline.lake.layout import Lake
from journey_pipeline.warehouse.connection import UnopenableWarehouse, WarehouseSettings, warehouse_file, writing
from journey_pipeline.warehouse.lock import writer_lock
from journey_pipeline.warehouse.rebuild import make_anew
from journey_pipeline.warehouse.report import SyncReport
from journey_pipeline.warehouse.schema import prepare
from journey_pipeline.warehouse.update import update

_DEFAULTS = WarehouseSettings()


def sync(lake: Lake, settings: WarehouseSettings = _DEFAULTS) -> SyncReport:
    """Makes the warehouse the deduplicated union of the lake's events files, each `event_key` once.

    Everything happens in one transaction: after a crash at any point the warehouse is as it was before, and the next
    sync does the work. A warehouse that is not there yet, that another version of the package laid out, or that can't
    be opened is made from nothing, and the report says so. Where the lake lacks much of what is loaded, that stays, and
    the report names it among what is broken.

    Args:
        lake: Where the files lie.
        settings: What it may use.

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
    why = "another version of journey_pipeline laid it out"
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
