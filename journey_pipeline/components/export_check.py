"""The check that tells of exports that will not come by themselves, its job and its schedule.

The sensor starts the job too, as soon as an export comes to stand still. Not here: what moves exports
(`export_sensor.py`), alerts of checks that fail (`alerts.py`).
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import dagster as dg

from journey_pipeline.components.export_assets import ExportAssets
from journey_pipeline.exports.listing import needing_a_person
from journey_pipeline.loading.pull import utc_now

CHECK = "no_export_needs_a_person"
NAMED = 5


def check_job(assets: ExportAssets) -> Any:  # Dagster does not export the type
    """The job that looks for exports of a stream that need a person."""
    return dg.define_asset_job(
        f"{assets.op_name}_exports_check",
        selection=dg.AssetSelection.checks(dg.AssetCheckKey(assets.requests, CHECK)),
        description=f"Looks for exports of {assets.stream.key} that need a person.",
    )


def export_check(
    assets: ExportAssets, *, cron: str, status: dg.DefaultScheduleStatus, now: Callable[[], datetime] = utc_now
) -> dg.Definitions:
    """The check that tells of exports that will not come by themselves, and the schedule that runs it.

    The sensor brings the job.

    Args:
        assets: The stream.
        cron: When it runs, UTC.
        status: Whether its schedule runs without being switched on.
        now: The clock.
    """

    @dg.asset_check(
        asset=assets.requests,
        name=CHECK,
        description="No export has stopped, and none takes longer than it should.",
    )
    def no_export_needs_a_person() -> dg.AssetCheckResult:
        with assets.open_exports() as exporting:
            key = assets.stream.key
            stuck = [
                export
                for export in needing_a_person(exporting.ledger, exporting.policy, at=now(), connection=key.connection)
                if export.key == key
            ]
        named = "; ".join(f"{export}: {export.error or 'no answer yet'}" for export in stuck[:NAMED])
        return dg.AssetCheckResult(
            check_name=CHECK,
            passed=not stuck,
            severity=dg.AssetCheckSeverity.ERROR,
            description=named or "every export is on its way or has landed",
            metadata={"stuck": len(stuck)},
        )

    job_name = check_job(assets).name
    schedule = dg.ScheduleDefinition(
        name=job_name,
        job_name=job_name,
        cron_schedule=cron,
        execution_timezone="UTC",
        default_status=status,
        description=f"Runs the check {CHECK} of {assets.stream.key}.",
    )
    return dg.Definitions(asset_checks=[no_export_needs_a_person], schedules=[schedule])
