"""The standing check that no partition is red, since an asset's page shows of each check the last partition alone.

Not here: what is claimed of a partition (`loading/claims.py`), its checks as a load records them (`checks.py`).
"""

import dagster as dg

from journey_pipeline.components.standing_checks import on_schedule
from journey_pipeline.components.stream_assets import StreamAssets
from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.plan import survey, whole_span
from journey_pipeline.loading.pull import utc_now
from journey_pipeline.loading.verdicts import Verdicts
from journey_pipeline.settings import home

CHECK = "no_partition_is_red"
NAMED = 5


def redness_definitions(assets: StreamAssets, *, cron: str, status: dg.DefaultScheduleStatus) -> dg.Definitions:
    """The check `no_partition_is_red` of a stream, and its schedule.

    Args:
        assets: The stream.
        cron: When it runs, UTC.
        status: Whether its schedule runs without being switched on.
    """

    @dg.asset_check(
        asset=assets.events,
        name=CHECK,
        description="No check of any partition is red as an error: what `journey-pipeline status` counts as red.",
    )
    def no_partition_is_red() -> dg.AssetCheckResult:
        now = utc_now()
        span = whole_span(assets.stream, now)
        return result(survey(Lake(home()), assets.stream, span, now, assets.settings).red if span else {})

    return on_schedule(
        no_partition_is_red,
        name=f"{assets.op_name}_redness",
        looks=f"Names the partitions of {assets.stream.key} of which a check is red.",
        cron=cron,
        status=status,
    )


def result(red: Verdicts) -> dg.AssetCheckResult:
    """What the check says of claims that do not hold."""
    lines = [f"{window.partition} {claim.name}: {claim.says}" for window, claims in red.items() for claim in claims]
    more = f"\nand {len(lines) - NAMED} more: `journey-pipeline status` names all" if len(lines) > NAMED else ""
    return dg.AssetCheckResult(
        check_name=CHECK,
        passed=not lines,
        severity=dg.AssetCheckSeverity.ERROR,
        description="\n".join(lines[:NAMED]) + more if lines else "no check of any partition is red",
        metadata={"partitions": len(red), "checks": len(lines)},
    )
