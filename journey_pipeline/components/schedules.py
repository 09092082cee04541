"""When a stream loads by itself: each hour or day once its window has ended and the vendor has caught up.

Not here: what a load does (`stream_assets.py`).
"""

from datetime import UTC, timedelta

import dagster as dg

from journey_pipeline.components.partitions import key_of, last_whole
from journey_pipeline.components.stream_assets import StreamAssets


def newest_partition_schedule(
    assets: StreamAssets, *, cron: str, lag: timedelta, status: dg.DefaultScheduleStatus
) -> dg.ScheduleDefinition:
    """Loads the newest partition whose window ended at least a lag ago.

    Args:
        assets: The stream.
        cron: When it ticks, UTC.
        lag: How far the vendor's history trails reality.
        status: Whether it runs without being switched on.
    """
    partitions = assets.partitions

    @dg.schedule(
        name=f"{assets.op_name}_newest",
        target=dg.AssetSelection.assets(assets.raw, assets.events),
        cron_schedule=cron,
        execution_timezone="UTC",
        default_status=status,
        description=f"Loads the newest {assets.stream.granularity.value} of {assets.stream.key} once it has ended and "
        f"{lag} have passed, unless it has landed already.",
    )
    def newest(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        window = last_whole(assets.stream, context.scheduled_execution_time.astimezone(UTC) - lag)
        if window.start < assets.stream.start:
            return dg.SkipReason(f"the first partition starts at {assets.stream.start:%Y-%m-%d %H:%M} UTC")
        key = key_of(partitions, window)
        config = {"ops": {assets.op_name: {"config": {"only_missing": True}}}}
        return dg.RunRequest(run_key=key, partition_key=key, run_config=config)

    return newest
