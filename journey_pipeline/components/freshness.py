"""The standing check that a vendor's history trails by no more than is usual, and the schedule that runs it.

Not here: the question itself (`vendors/`), waiting for the history with a load (`schedules.py`).
"""

from datetime import UTC, datetime

import dagster as dg

from journey_pipeline.components.schedules import freshness
from journey_pipeline.components.standing_checks import on_schedule
from journey_pipeline.components.stream_assets import StreamAssets
from journey_pipeline.errors import JourneyError

CHECK = "history_is_fresh"


def freshness_definitions(assets: StreamAssets, *, cron: str, status: dg.DefaultScheduleStatus) -> dg.Definitions:
    """The check `history_is_fresh` of a stream whose vendor tells how far it trails, and its schedule.

    Args:
        assets: The stream.
        cron: When it runs, UTC.
        status: Whether its schedule runs without being switched on.
    """

    @dg.asset_check(
        asset=assets.raw,
        name=CHECK,
        description="The vendor says how far its history trails, and that is no further than is usual.",
    )
    def history_is_fresh() -> dg.AssetCheckResult:
        try:
            fresh = freshness(assets, datetime.now(UTC))
        except JourneyError as error:
            return _result(f"the vendor could not be asked how far its history trails: {error}", is_fresh=False)
        return _result(fresh.says, is_fresh=fresh.is_usual)

    return on_schedule(
        history_is_fresh,
        name=f"{assets.op_name}_freshness",
        looks=f"Asks the vendor how far the history of {assets.stream.key} trails.",
        cron=cron,
        status=status,
    )


def _result(says: str, *, is_fresh: bool) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(check_name=CHECK, passed=is_fresh, severity=dg.AssetCheckSeverity.WARN, description=says)
