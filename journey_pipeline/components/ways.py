"""The ways in which a vendor's answers come: what loads them, what goes before, and what keeps them complete.

Not here: what one load does (`loading/`), what keeps every stream complete (`connection.py`).
"""

from collections.abc import Callable
from typing import NamedTuple

import dagster as dg

from journey_pipeline.components.export_assets import request_definitions
from journey_pipeline.components.export_sensor import export_check, request_schedules
from journey_pipeline.components.load_assets import LoadAssets, Loading, Task
from journey_pipeline.components.schedules import gap_schedule, newest_partition_schedule
from journey_pipeline.loading.backfill import Backfill
from journey_pipeline.loading.export_backfill import ExportBackfill


class Way(NamedTuple):
    """One of the ways.

    Attributes:
        load: Takes partitions through.
        before: What is materialized before the landing, by its role.
        keeps: What asks for the newest partition and for what is missing; takes the most that are asked for at a time.
    """

    load: Callable[[LoadAssets, Task], Loading]
    before: tuple[str, ...]
    keeps: Callable[[LoadAssets, int, dg.DefaultScheduleStatus], dg.Definitions]


def _backfill(assets: LoadAssets, task: Task) -> Loading:
    return Backfill(
        lake=task.lake,
        stream=assets.stream,
        windows=task.windows,
        settings=assets.settings,
        open_source=assets.open_source,
        pull=task.pull,
        normalize=task.normalize,
        kept_since=task.kept_since,
    )


def _pulls(assets: LoadAssets, most: int, status: dg.DefaultScheduleStatus) -> dg.Definitions:
    return dg.Definitions(
        jobs=[assets.load_job],
        schedules=[
            newest_partition_schedule(assets, status=status),
            gap_schedule(assets, most_partitions=most, status=status),
        ],
    )


def _export_backfill(assets: LoadAssets, task: Task) -> Loading:
    return ExportBackfill(
        lake=task.lake,
        stream=assets.stream,
        windows=task.windows,
        settings=assets.settings,
        open_exports=assets.open_exports,
        pull=task.pull,
        normalize=task.normalize,
        kept_since=task.kept_since,
        waits=task.waits,
    )


def _orders(assets: LoadAssets, most: int, status: dg.DefaultScheduleStatus) -> dg.Definitions:
    # The connection's sensor brings the job that it starts a load by.
    return dg.Definitions.merge(
        request_definitions(assets),
        export_check(assets, status=status),
        dg.Definitions(schedules=request_schedules(assets, most_partitions=most, status=status)),
    )


AT_ONCE = Way(_backfill, before=(), keeps=_pulls)
BY_EXPORT = Way(_export_backfill, before=("requests",), keeps=_orders)
