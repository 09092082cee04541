"""`journey-pipeline sync`, `rebuild` and `publish`: the warehouse, level with the lake and in place for analysts.

Not here: how they work (`warehouse/`).
"""

from __future__ import annotations

import sys

import click

from journey_pipeline.cli.load import bring_level
from journey_pipeline.cli.output import notes, results, route_logs
from journey_pipeline.components.deployment import load_deployment
from journey_pipeline.components.instance import open_instance
from journey_pipeline.components.runs import Runner
from journey_pipeline.errors import HistoryError
from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.export_listing import list_exports
from journey_pipeline.settings import home, ledger_url
from journey_pipeline.warehouse import equality
from journey_pipeline.warehouse import publish as publishing
from journey_pipeline.warehouse import sync as rebuilding
from journey_pipeline.warehouse import sync as syncing
from journey_pipeline.warehouse.connection import WarehouseSettings, published_file

REMOVE = click.option("--remove", is_flag=True, help="Remove what is gone from the lake, however much it is.")


@click.command()
@REMOVE
def sync(*, remove: bool) -> None:
    """Bring the warehouse level with the lake, and publish it.

    Adds, replaces and removes what has changed in the lake, in one transaction, through a run that the UI shows. Where
    much is gone from the lake, or all of a stream, as on a disk that is not mounted, that stays without --remove.
    """
    route_logs(notes)
    try:
        with open_instance() as instance:
            well = bring_level(Runner(load_deployment(), instance), remove=remove)
    except HistoryError as error:
        notes.print(f"{error} The sync goes on without it.", markup=False, highlight=False, soft_wrap=True)
        well = _sync_unrecorded(Lake(home()), WarehouseSettings(remove=remove))
    sys.exit(0 if well else 1)


def _sync_unrecorded(lake: Lake, settings: WarehouseSettings) -> bool:
    """What the run does, without a run."""
    list_exports(lake, ledger_url())
    report = syncing.sync(lake, settings)
    notes.print(str(report), markup=False, highlight=False, soft_wrap=True)
    broken = (str(file) for file in report.broken)
    problems = list(dict.fromkeys([*broken, *equality.compare_with_lake(lake).problems]))
    for problem in problems:
        notes.print(problem, markup=False, highlight=False, soft_wrap=True)
    _publish(lake)
    return not problems


@click.command()
@REMOVE
def rebuild(*, remove: bool) -> None:
    """Make the warehouse from nothing, and publish it.

    The lake is the truth: the result is what `sync` would have made. For a damaged or deleted warehouse file. Where the
    lake lacks much of what is loaded, nothing changes without --remove.
    """
    route_logs(notes)
    lake = Lake(home())
    list_exports(lake, ledger_url())
    report = rebuilding.rebuild(lake, WarehouseSettings(remove=remove))
    results.print(str(report), markup=False, highlight=False, soft_wrap=True)
    for broken in report.broken:
        notes.print(str(broken), markup=False, highlight=False, soft_wrap=True)
    _publish(lake)
    sys.exit(1 if report.broken else 0)


@click.command()
def publish() -> None:
    """Put the warehouse in place for analysts: $JOURNEY_PIPELINE_HOME/journeys.duckdb."""
    route_logs(notes)
    _publish(Lake(home()))


def _publish(lake: Lake) -> None:
    report = publishing.publish(lake)
    for mended in report.mended:
        notes.print(mended, markup=False, highlight=False, soft_wrap=True)
    what = "published" if report.published else "already published"
    results.print(f"{published_file(lake)}: {what}, {report.bytes / 1e6:,.1f} MB")
