"""The standing check that the landing is whole, and the schedule that runs it once a day.

Not here: the look itself (`loading/wholeness.py`).
"""

import dagster as dg

from journey_pipeline.components.standing_checks import on_schedule
from journey_pipeline.components.stream_assets import StreamAssets
from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.pull import utc_now
from journey_pipeline.loading.wholeness import Inspected, inspect_landing
from journey_pipeline.settings import home

CHECK = "landing_is_whole"
NAMED = 10


def wholeness_definitions(assets: StreamAssets, *, cron: str, status: dg.DefaultScheduleStatus) -> dg.Definitions:
    """The check `landing_is_whole` of a stream, and its schedule.

    Args:
        assets: The stream.
        cron: When it runs, UTC: once a day, since the day chooses what is hashed.
        status: Whether its schedule runs without being switched on.
    """

    @dg.asset_check(
        asset=assets.raw,
        name=CHECK,
        description="Every landed file has the size that it landed with, and those of the day's share the same bytes.",
    )
    def landing_is_whole() -> dg.AssetCheckResult:
        return result(inspect_landing(Lake(home()), assets.stream, utc_now()))

    return on_schedule(
        landing_is_whole,
        name=f"{assets.op_name}_wholeness",
        looks=f"Looks for damage of what landed of {assets.stream.key}.",
        cron=cron,
        status=status,
    )


def result(found: Inspected) -> dg.AssetCheckResult:
    """What the check says of a look."""
    named = " ".join(list(found.damage.values())[:NAMED])
    more = (
        f" And {len(found.damage) - NAMED} more: `journey-pipeline status` names all."
        if len(found.damage) > NAMED
        else ""
    )
    return dg.AssetCheckResult(
        check_name=CHECK,
        passed=not found.damage,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"{named}{more}" or "every landed file is there in its size",
        metadata={"damaged": len(found.damage), "partitions_hashed": found.hashed},
    )
