"""The standing check that counts what is missing, so that an exhausted retry never looks like health.

It looks at the lake, not at runs: whatever became of a partition's runs, either its events are there or they are not.
Not here: the checks of single partitions (`checks.py`), filling the gaps (`schedules.py`).
"""

from datetime import datetime, timedelta

import dagster as dg

from journey_pipeline.components.standing_checks import on_schedule
from journey_pipeline.components.stream_assets import StreamAssets
from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.gaps import Gaps, find_gaps
from journey_pipeline.loading.plan import State, survey
from journey_pipeline.loading.pull import utc_now
from journey_pipeline.model import Window
from journey_pipeline.settings import home

CHECK = "no_partition_is_missing"
NAMED = 10


def completeness_definitions(
    assets: StreamAssets, *, cron: str, grace: timedelta, requests_per_s: float, status: dg.DefaultScheduleStatus
) -> dg.Definitions:
    """The check `no_partition_is_missing` of a stream, and the schedule that runs it.

    Args:
        assets: The stream.
        cron: When it runs, UTC.
        grace: A partition counts as missing only so long after its end.
        requests_per_s: How fast a backlog can be worked off.
        status: Whether its schedule runs without being switched on.
    """

    @dg.asset_check(
        asset=assets.events,
        name=CHECK,
        description="Every partition that ended a while ago and that the vendor still keeps is loaded.",
    )
    def no_partition_is_missing() -> dg.AssetCheckResult:
        now = utc_now()
        lake = Lake(home())
        gaps = find_gaps(lake, assets.stream, now, until=now - grace)
        return result(gaps, lost=_lost(lake, assets, now), requests_per_s=requests_per_s)

    return on_schedule(
        no_partition_is_missing,
        name=f"{assets.op_name}_completeness",
        looks=f"Counts the partitions of {assets.stream.key} that are missing.",
        cron=cron,
        status=status,
    )


def result(gaps: Gaps, *, lost: int, requests_per_s: float) -> dg.AssetCheckResult:
    """What the check says of gaps: a warning while they can be filled in time, an error where they may not be."""
    urgent = gaps.is_urgent(requests_per_s)
    hours = gaps.deleted_in / timedelta(hours=1) if gaps.deleted_in is not None else None
    named = ", ".join(window.partition for window in [*gaps.missing, *gaps.unfinished][:NAMED])
    says = f"{len(gaps.missing)} missing, {len(gaps.unfinished)} landed without events"
    if named:
        says += f": {named}{f' and {gaps.count - NAMED} more' if gaps.count > NAMED else ''}"
    if hours is not None:
        says += f". The vendor deletes the oldest in {hours:.1f} h; asking for all of them takes at least "
        says += f"{gaps.needed(requests_per_s)}"
    if urgent:
        says += f". Load them now with `journey-pipeline backfill {gaps.stream.key}`, or they are lost"
    return dg.AssetCheckResult(
        check_name=CHECK,
        passed=gaps.count == 0,
        severity=dg.AssetCheckSeverity.ERROR if urgent else dg.AssetCheckSeverity.WARN,
        description=says,
        metadata={
            "missing": len(gaps.missing),
            "landed_without_events": len(gaps.unfinished),
            "lost_for_good": lost,
            "hours_until_deleted": round(hours, 1) if hours is not None else "none is missing",
        },
    )


def _lost(lake: Lake, assets: StreamAssets, now: datetime) -> int:
    """Partitions of the last weeks that expired before they landed, after the first one that did."""
    stream = assets.stream
    start = max(stream.start, now - 2 * stream.retention)
    if start >= now - stream.retention:
        return 0
    states = survey(lake, stream, Window(start, now), now).states
    landed = [window for window, state in states.items() if state in {State.COMPLETE, State.LANDED}]
    return sum(state is State.EXPIRED and window > landed[0] for window, state in states.items()) if landed else 0
