"""Daily sweeps as assets: what crashes left behind goes, the vendor is asked again, what drifted is pulled again.

Not here: what a sweep does (`loading/reconcile.py`, `lake/sweep.py`).
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import dagster as dg

from journey_pipeline.components.load_assets import LoadAssets
from journey_pipeline.components.recording import SAYS, failure
from journey_pipeline.components.schedules import (
    LEFTOVERS,
    MOST_PARTITIONS,
    RECONCILIATION,
    Ticks,
    daily,
    request,
    sensor_of,
)
from journey_pipeline.components.translator import DOES, Told, Translator, key_of, tags_of
from journey_pipeline.errors import JourneyError
from journey_pipeline.files import LEFTOVER_AGE
from journey_pipeline.lake.documents import DriftReport, newest_report
from journey_pipeline.lake.landing import read_landing
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.sweep import Swept, sweep
from journey_pipeline.loading.reconcile import SweepSettings, sweep_drift
from journey_pipeline.model import CLOCK_DIFFERENCE, Window, contiguous, partition_window
from journey_pipeline.settings import make_home, utc_now

NAMED = 10
PULLS_INTERVAL_S = 60


def leftovers_definitions(vendor: str, connection: str, translator: Translator, ticks: Ticks) -> dg.Definitions:
    """The sweep of a connection's leftovers, and its schedule."""
    spec = translator.spec(
        Told("leftovers", vendor, connection),
        description=f"Removes leftovers of crashes and broken downloads of {connection} after a day. Whole answers are "
        "never removed; a manifest that lacks one is made again.",
    )

    @dg.multi_asset(name=f"leftovers__{connection}", specs=[spec], pool=connection)
    def leftovers(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        lake = Lake(make_home())
        swept = sweep(lake, vendor, connection, utc_now() - LEFTOVER_AGE)
        lines = says(lake, connection, swept)
        for line in lines:
            context.log.warning("%s", line)
        if swept.unclear:
            raise dg.Failure("\n".join(lines), allow_retries=False)
        return dg.MaterializeResult(
            metadata={
                **({SAYS: "\n".join(lines)} if lines else {}),
                "leftovers_removed": len(swept.removed),
                "manifests_restored": len(swept.restored) + len(swept.marked),
            }
        )

    does, tags, name = f"Sweeps the leftovers of {connection}.", tags_of(connection), leftovers_job_name(connection)
    of_job = tags | {DOES: "leftovers"}
    job = dg.define_asset_job(name, selection=dg.AssetSelection.assets(spec.key), description=does, tags=of_job)
    schedule = daily(f"{name}_daily", LEFTOVERS, ticks, does, tags=tags, job=job)
    return dg.Definitions(assets=[leftovers], jobs=[job], schedules=[schedule])


def leftovers_job_name(connection: str) -> str:
    """Name of the job that sweeps a connection's leftovers."""
    return f"{connection}_leftovers"


def says(lake: Lake, connection: str, swept: Swept) -> list[str]:
    """The actions of a sweep, one line each; empty if there were none."""
    lines = [
        f"{lake.relative(folder)}: the manifest lacked answers that had landed whole, and now names them. "
        f"`journey-pipeline normalize {connection}` makes events of them"
        for folder in swept.restored
    ]
    lines += [
        f"{lake.relative(folder)}: the manifest was missing and is made again: another day's answer holds this day"
        for folder in swept.marked
    ]
    if swept.removed:
        named = ", ".join(lake.relative(path) for path in swept.removed[:NAMED])
        more = f" and {len(swept.removed) - NAMED} more" if len(swept.removed) > NAMED else ""
        lines.append(f"{connection}: removed leftovers of unfinished loads: {named}{more}")
    return [*lines, *swept.unclear]


EVERY_ONE_ASKED = "every_partition_was_asked"
UNANSWERED_NAMED = 5


def drifted(lake: Lake, assets: LoadAssets, report: DriftReport) -> list[Window]:
    """The windows that a sweep found to have drifted and that have not been pulled again since."""
    key, latest = assets.stream.key, utc_now() + CLOCK_DIFFERENCE
    windows = []
    for finding in report.findings:
        landing = read_landing(lake, key, finding.partition)
        # One that landed by a clock that was ahead says nothing of when that was.
        if landing is None or not landing.attempts or not report.swept_at <= landing.attempts[-1].landed_at <= latest:
            windows.append(partition_window(finding.partition))
    return sorted(windows)


def reconciliation_definitions(assets: LoadAssets, ticks: Ticks, *, settings: SweepSettings) -> dg.Definitions:
    """The sweep of a stream, its schedule, and the sensor that pulls again what drifted."""
    key, name = assets.key("reconciliation"), reconciliation_job_name(assets)

    spec = assets.translator.spec(
        assets.told("reconciliation"),
        deps=[assets.raw],
        description=f"Compares landed partitions of {assets.stream.key} with the vendor: asks again for the "
        "estimates of settled ones and compares a sample by content. Changed partitions are pulled again.",
    )

    @dg.multi_asset(
        name=f"reconciliation__{assets.op_name}",
        specs=[spec],
        pool=assets.stream.key.connection,
        check_specs=[
            dg.AssetCheckSpec(
                EVERY_ONE_ASKED,
                asset=key,
                description="The vendor answered for each partition.",
            )
        ],
    )
    def reconciliation(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[Any]]:
        lake = Lake(make_home())
        try:
            with closing(assets.open_source()) as source:
                report = sweep_drift(lake, source, settings)
        except JourneyError as error:
            raise failure(error) from None
        for partition, why in report.failed.items():
            context.log.warning("%s could not be asked: %s", partition, why)
        yield dg.MaterializeResult(
            metadata={
                "asked": report.asked,
                "compared": report.compared,
                "failed": len(report.failed),
                "drifted": len(report.findings),
                "findings": dg.MetadataValue.table(
                    [dg.TableRecord(finding.model_dump()) for finding in report.findings[:100]],
                    schema=dg.TableSchema(
                        [dg.TableColumn(column) for column in ("partition", "kind", "rows", "estimate")]
                    ),
                ),
            },
            check_results=[_every_one_asked(report)],
        )

    does = f"Sweeps over {assets.stream.key}."
    of_job = assets.tags | {DOES: "reconciliation"}
    job = dg.define_asset_job(name, selection=dg.AssetSelection.assets(key), description=does, tags=of_job)
    schedule = daily(f"{name}_daily", RECONCILIATION, ticks, does, tags=assets.tags, job=job)
    again = f"Pulls again the partitions of {assets.stream.key} that the last sweep found changed."

    @sensor_of(f"{name}_pulls", PULLS_INTERVAL_S, ticks, again, tags=assets.tags, job_name=assets.job_name)
    def pulls(_context: dg.SensorEvaluationContext) -> Sequence[dg.RunRequest] | dg.SkipReason:
        lake = Lake(make_home())
        report = newest_report(lake, assets.stream.key, now=utc_now())
        windows = drifted(lake, assets, report) if report else []
        if report is None or not windows:
            return dg.SkipReason("all changed partitions were pulled again")
        stamp = f"{report.swept_at:%Y%m%dT%H%M%SZ}"
        return [
            request(assets, run, run_key=f"{stamp} {key_of(assets.partitions, run[0])}", again=True)
            for run in contiguous(windows, MOST_PARTITIONS)
        ]

    return dg.Definitions(assets=[reconciliation], jobs=[job], schedules=[schedule], sensors=[pulls])


def reconciliation_job_name(assets: LoadAssets) -> str:
    """Name of the job that sweeps over a stream."""
    return f"{assets.op_name}_reconciliation"


def _every_one_asked(report: DriftReport) -> dg.AssetCheckResult:
    """The check of a sweep: it is red if the vendor did not answer for some partition."""
    named = "; ".join(
        f"{partition}: {why}" for partition, why in list(report.failed.items())[:UNANSWERED_NAMED]
    ).rstrip(".")
    says = f"{len(report.failed)} of {report.asked} partitions could not be asked or compared: {named}"
    none_asked = len(report.failed) >= report.asked
    return dg.AssetCheckResult(
        check_name=EVERY_ONE_ASKED,
        passed=not report.failed,
        severity=dg.AssetCheckSeverity.ERROR if none_asked else dg.AssetCheckSeverity.WARN,
        description=f"{says}. The next sweep asks again" if report.failed else f"{report.asked} partitions were asked",
        metadata={"asked": report.asked, "failed": len(report.failed)},
    )
