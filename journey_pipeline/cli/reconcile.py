"""`journey-pipeline reconcile`: compares landed partitions with the vendor, and loads changed ones again.

Not here: the sweep (`loading/reconcile.py`), how partitions are run and shown (`load.py`).
"""

from __future__ import annotations

import sys

from journey_pipeline.cli.load import exit_code, load, partition_table, sync_warehouse, tell, tell_outcome
from journey_pipeline.cli.output import notes, plain_table, results, route_logs
from journey_pipeline.components.deployment import load_deployment
from journey_pipeline.components.instance import open_instance
from journey_pipeline.components.load_assets import LoadAssets
from journey_pipeline.components.runs import Runner
from journey_pipeline.components.sweeps import drifted
from journey_pipeline.errors import LakeError
from journey_pipeline.lake.documents import DriftReport, newest_report
from journey_pipeline.lake.layout import Lake
from journey_pipeline.settings import home, utc_now


def reconcile(selector: str) -> None:
    """Compare landed partitions with the vendor; reload changed ones."""
    route_logs(notes)
    lake = Lake(home())
    well = True
    with open_instance() as instance:
        runner = Runner(load_deployment(), instance, "reconcile")
        streams = runner.deployment.streams(selector)
        for connection in {assets.stream.key.connection: None for assets in streams}:
            well = tell(runner.remove_leftovers(connection)) and well
        for assets in streams:
            well = _reconcile(runner, lake, assets) and well
        well = sync_warehouse(runner) and well
    sys.exit(exit_code(runner, well=well))


def _reconcile(runner: Runner, lake: Lake, assets: LoadAssets) -> bool:
    if why := assets.stream.lacks.get("estimate"):
        results.say(f"{assets.stream.key}: {why}")
        return True
    swept = runner.sweep(assets)
    if runner.faults:
        return tell(swept)
    report = newest_report(lake, assets.stream.key, now=utc_now())
    if not swept.succeeded or report is None:
        raise LakeError(f"the sweep of {assets.stream.key} did not finish: {swept.says}")
    _show(report, assets)
    loaded = load(runner, assets, drifted(lake, assets, report), again=True)
    if loaded.windows:
        results.show(partition_table(lake, assets, loaded.windows))
    return tell_outcome(notes, lake, loaded) and not report.failed


def _show(report: DriftReport, assets: LoadAssets) -> None:
    results.print(
        f"{assets.stream.key}: {report.asked} partitions asked again, {report.compared} compared by content, "
        f"{len(report.findings)} have changed"
    )
    for partition, why in report.failed.items():
        notes.print(f"{partition} could not be asked: {why}", markup=False, highlight=False)
    if report.findings:
        table = plain_table("partition", "what", "rows", "now", right=("rows", "now"))
        for finding in report.findings:
            table.add_row(finding.partition, finding.kind, f"{finding.rows:,}", f"{finding.estimate:,}")
        results.show(table)
