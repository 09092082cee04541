"""`sync`: makes the warehouse equal to the lake at a cost that grows with what is new.

Not here: how (`update.py`), the same from nothing (`rebuild.py`), handing it to the analysts (`publish.py`).
"""

from __future__ import annotations

import time
from dataclasses import replace

from journey_pipeline.lake.layout import Lake
from journey_pipeline.warehouse.connection import WarehouseSettings, warehouse_file, writing
from journey_pipeline.warehouse.lock import writer_lock
from journey_pipeline.warehouse.rebuild import make_anew
from journey_pipeline.warehouse.report import SyncReport
from journey_pipeline.warehouse.schema import prepare
from journey_pipeline.warehouse.update import update

_DEFAULTS = WarehouseSettings()


def sync(lake: Lake, settings: WarehouseSettings = _DEFAULTS) -> SyncReport:
    """Makes the warehouse the deduplicated union of the lake's events files, each `event_key` once.

    Everything happens in one transaction: after a crash at any point the warehouse is as it was before, and the next
    sync does the work. A warehouse that another version of the package laid out is made from nothing, and the report
    says so.

    Args:
        lake: Where the files lie.
        settings: What it may use.

    Raises:
        WarehouseError: If another process keeps writing, or the warehouse can't be read or written.
    """
    with writer_lock(lake, settings.lock_wait_s):
        begun = time.perf_counter()
        with writing(warehouse_file(lake), settings) as session:
            if is_current := prepare(session):
                report = update(session, lake, settings)
                checkpoint_begun = time.perf_counter()
                session.execute("checkpoint")
                report.phases["checkpoint"] = time.perf_counter() - checkpoint_begun
        if not is_current:
            report = make_anew(lake, settings, "another version of journey_pipeline laid it out")
        return replace(report, seconds=time.perf_counter() - begun)
