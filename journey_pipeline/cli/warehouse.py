"""`journey-pipeline sync`, `rebuild` and `publish`: load the lake into the warehouse, and publish it.

Not here: how they work (`warehouse/`).
"""

from __future__ import annotations

import sys
from functools import partial

from journey_pipeline.cli.configured import configured
from journey_pipeline.cli.load import sync_warehouse
from journey_pipeline.cli.output import notes, results, route_logs
from journey_pipeline.cli.progress import SyncProgress
from journey_pipeline.components.deployment import load_deployment
from journey_pipeline.components.instance import open_instance
from journey_pipeline.components.runs import Runner
from journey_pipeline.connections.project import streams_of
from journey_pipeline.errors import HistoryError
from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.bring_over import bring_over
from journey_pipeline.loading.lists import list_exports
from journey_pipeline.settings import home, ledger_url
from journey_pipeline.warehouse import equality
from journey_pipeline.warehouse import publish as publishing
from journey_pipeline.warehouse import sync as rebuilding
from journey_pipeline.warehouse import sync as syncing
from journey_pipeline.warehouse.connection import WarehouseSettings, published_file


def sync(*, remove: bool) -> None:
    """Load changed events into the warehouse and publish it."""
    route_logs(notes)
    try:
        with open_instance() as instance:
            well = sync_warehouse(Runner(load_deployment(), instance, "sync"), remove=remove)
    except HistoryError as error:
        notes.say(f"{error} The sync goes on without it.")
        well = _sync_unrecorded(Lake(home()), WarehouseSettings(remove=remove))
    sys.exit(0 if well else 1)


def _sync_unrecorded(lake: Lake, settings: WarehouseSettings) -> bool:
    """Syncs as the run does, without Dagster's history."""
    list_exports(lake, ledger_url())
    with SyncProgress(notes):
        report = syncing.sync(lake, settings, partial(_bring_over, lake))
    notes.say(str(report))
    broken = (str(file) for file in report.broken)
    problems = list(dict.fromkeys([*broken, *equality.compare_with_lake(lake).problems]))
    for problem in problems:
        notes.say(problem)
    _publish(lake)
    return not problems


def rebuild(*, remove: bool) -> None:
    """Make the whole warehouse again and publish it."""
    route_logs(notes)
    lake = Lake(home())
    list_exports(lake, ledger_url())
    with SyncProgress(notes):
        report = rebuilding.rebuild(lake, WarehouseSettings(remove=remove), partial(_bring_over, lake))
    results.say(str(report))
    for broken in report.broken:
        notes.say(str(broken))
    _publish(lake)
    sys.exit(1 if report.broken else 0)


def _bring_over(lake: Lake) -> None:
    for said in bring_over(lake, lambda: streams_of(configured())).says:
        notes.say(said)


def publish() -> None:
    """Copy the warehouse to journeys.duckdb for analysts."""
    route_logs(notes)
    _publish(Lake(home()))


def _publish(lake: Lake) -> None:
    report = publishing.publish(lake)
    for mended in report.mended:
        notes.say(mended)
    what = "published" if report.published else "already published"
    results.print(f"{published_file(lake)}: {what}, {report.bytes / 1e6:,.1f} MB")
