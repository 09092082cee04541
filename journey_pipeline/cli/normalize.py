"""`journey-pipeline normalize`: makes events again from landed files.

Not here: how partitions are run and shown (`load.py`).
"""

from __future__ import annotations

import sys
from datetime import datetime

from journey_pipeline.cli.difference import compare
from journey_pipeline.cli.load import load, look, partition_table, sync_warehouse, tell_outcome
from journey_pipeline.cli.output import notes, results, route_logs
from journey_pipeline.components.deployment import load_deployment
from journey_pipeline.components.instance import open_instance
from journey_pipeline.components.runs import Runner
from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.plan import State
from journey_pipeline.model import Window
from journey_pipeline.settings import home, utc_now


def normalize(selector: str, start: datetime | None, end: datetime | None, *, diff: bool) -> None:
    """Make events again from landed files, without the vendor; with `diff` only say what would change."""
    if diff:
        compare(selector, start, end)
    route_logs(notes)
    now = utc_now()
    lake = Lake(home())
    complete = True
    with open_instance() as instance:
        runner = Runner(load_deployment(), instance, "normalize")
        for assets in runner.deployment.streams(selector):
            span = Window(start or assets.stream.start, end or now)
            found = look(lake, assets, span, now)
            windows = sorted({*found.windows(State.COMPLETE, State.LANDED), *found.damage})
            loaded = load(runner, assets, windows, pull=False, again=True)
            if windows:
                results.show(partition_table(lake, assets, windows, pulled=False))
            else:
                results.print(f"{assets.stream.key}: nothing has landed in {span}")
            complete = tell_outcome(notes, lake, loaded) and complete
        complete = sync_warehouse(runner) and complete
    sys.exit(0 if complete else 1)
