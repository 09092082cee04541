"""Which partitions of a stream are in the hands of a run or a backfill that has not ended.

Dagster offers no public way to read a backfill's partitions; what it has is used here and nowhere else. Not here: which
partitions are missing (`loading/gaps.py`).
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus

from journey_pipeline.components.partitions import RANGE_END, RANGE_START, window_of
from journey_pipeline.components.stream_assets import StreamAssets
from journey_pipeline.model import Window

UNFINISHED_RUNS = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
UNFINISHED_BACKFILLS = [BulkActionStatus.REQUESTED]


def busy_windows(instance: dg.DagsterInstance, assets: StreamAssets, graph: Any) -> set[Window]:
    """The windows that are queued, running, or waiting in a backfill.

    Args:
        instance: Where runs and backfills are recorded.
        assets: The stream.
        graph: The asset graph of the code location, which backfills are read with.
    """
    keys = {*_of_runs(instance, assets), *_of_backfills(instance, assets, graph)}
    return {window_of(assets.partitions, key) for key in keys}


def _of_runs(instance: dg.DagsterInstance, assets: StreamAssets) -> Iterator[str]:
    chosen = {assets.raw, assets.events}
    for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED_RUNS)):
        is_ours = chosen & set(run.asset_selection) if run.asset_selection else run.job_name == assets.job_name
        if not is_ours:
            continue
        if partition := run.tags.get("dagster/partition"):
            yield partition
        first = run.tags.get(RANGE_START)
        last = run.tags.get(RANGE_END)
        if first and last:
            yield from assets.partitions.get_partition_keys_in_range(dg.PartitionKeyRange(first, last))


def _of_backfills(instance: dg.DagsterInstance, assets: StreamAssets, graph: Any) -> Iterator[str]:
    chosen = {assets.raw, assets.events}
    for backfill in instance.get_backfills(filters=BulkActionsFilter(statuses=UNFINISHED_BACKFILLS)):
        if not backfill.is_asset_backfill:
            continue
        for target in backfill.get_asset_backfill_data(graph).target_subset.iterate_asset_partitions():
            if target.asset_key in chosen and target.partition_key:
                yield target.partition_key
