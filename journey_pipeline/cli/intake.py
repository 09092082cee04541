"""`journey-pipeline intake`: takes in what people dropped in a connection's folder, up to the published warehouse.

Not here: what is done with a file (`loading/intake.py`).
"""

from __future__ import annotations

import sys
import time
from datetime import timedelta

from journey_pipeline.cli.load import sync_warehouse
from journey_pipeline.cli.output import notes, plain_table, results, route_logs
from journey_pipeline.components.deployment import load_deployment
from journey_pipeline.components.instance import open_instance
from journey_pipeline.components.intake import UNDONE, open_intake, recorded
from journey_pipeline.components.load_assets import LoadAssets
from journey_pipeline.components.runs import Runner
from journey_pipeline.loading.drop_folder import SETTLED_AFTER, Fate, Taken


def intake(selector: str) -> None:
    """Take in files that people dropped in a connection's folder."""
    route_logs(notes)
    well = True
    with open_instance() as instance:
        runner = Runner(load_deployment(), instance, "intake")
        chosen = runner.deployment.loaded_by("intake", selector)
        for assets in chosen:
            taken = _take(assets)
            for event in recorded(assets, taken):
                instance.report_runless_asset_event(event)
            _tell(assets, taken)
            well = well and not any(one.fate in UNDONE for one in taken)
        well = sync_warehouse(runner) and well
    sys.exit(0 if well else 1)


def _take(assets: LoadAssets) -> list[Taken]:
    """Takes files in, those too that were dropped just now and are whole in a moment."""
    opened = open_intake(assets)
    taken = opened.run()
    if any(one.fate is Fate.WAITS and one.is_young for one in taken):
        time.sleep((SETTLED_AFTER + timedelta(seconds=1)).total_seconds())
        taken = [one for one in taken if one.fate is not Fate.WAITS] + opened.run()
    return taken


def _tell(assets: LoadAssets, taken: list[Taken]) -> None:
    if not taken:
        results.print(f"{assets.stream.key}: nothing lies in {open_intake(assets).folder['incoming']}", markup=False)
        return
    table = plain_table("file", "fate", "partition", "rows", right=("rows",), title=f"{assets.stream.key}")
    for one in taken:
        rows = f"{one.rows:,}" if one.window else ""
        table.add_row(one.name, one.fate.value, one.window.partition if one.window else "", rows)
    results.show(table)
    for one in taken:
        if one.says:
            style = "red" if one.fate in UNDONE else "yellow"
            notes.print(f"{one.name}: {one.says}", style=style, markup=False, highlight=False, soft_wrap=True)
