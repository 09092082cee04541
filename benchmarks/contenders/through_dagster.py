"""The pipeline as its command line runs it: one Dagster run over the range of hours, one that syncs and publishes.

Every partition, check and log line is recorded in Dagster's history. Not here: the same without Dagster (`direct.py`).
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.contenders.direct import CONNECTION, published_rows, published_table
from benchmarks.task import Stopwatch, Task, peak_mib, say
from journey_pipeline.components.deployment import load_deployment
from journey_pipeline.components.instance import open_instance
from journey_pipeline.components.runs import Runner
from journey_pipeline.lake.layout import Lake

FILES = {
    "pyproject.toml": """
[project]
name = "benchmarked"
version = "0"
[tool.dg]
directory_type = "project"
[tool.dg.project]
root_module = "benchmarked"
""",
    "benchmarked/__init__.py": "",
    "benchmarked/defs/__init__.py": "",
    "benchmarked/defs/warehouse/defs.yaml": "type: journey_pipeline.components.JourneyWarehouse\n",
}
"""A project of its own."""

SFMC = """
type: journey_pipeline.components.SfmcJourneyHistory
attributes:
  connection: sfmc
  start: "START"
"""


def make_project(task: Task, declared: str) -> Path:
    """Writes the project and gives its folder.

    Args:
        task: Whose first hour its history starts with, wherever that lies.
        declared: The connection, as in a `defs.yaml`.
    """
    folder = task.home / "project"
    start = f"{task.span.start:%Y-%m-%d-%H:%M}"
    for name, content in (FILES | {"benchmarked/defs/vendor/defs.yaml": declared.replace("START", start)}).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    sys.path.append(str(folder))  # Dagster imports the project, which nobody has installed
    return folder


def main() -> None:
    """Loads the hours of this process's task."""
    watch = Stopwatch()
    task = Task.given()
    with open_instance() as instance:
        runner = Runner(load_deployment(make_project(task, SFMC)), instance)
        (assets,) = runner.deployment.streams(f"{CONNECTION}/journey_history")
        start_s = watch.seconds
        loaded = runner.load(assets, task.windows, pull=True, only_missing=True)
        load_s, load_peak_mib = watch.seconds - start_s, peak_mib()
        synced = runner.sync_warehouse()
    if not loaded.succeeded or synced is None or not synced.succeeded:
        raise SystemExit(f"{loaded.says}\n{synced.says if synced else 'no warehouse is configured'}")
    say(
        published_rows(Lake(task.home)),
        watch.seconds,
        start_s=start_s,
        load_s=load_s,
        load_peak_mib=load_peak_mib,
        sync_s=watch.seconds - start_s - load_s,
        table=published_table(Lake(task.home)),
    )


if __name__ == "__main__":
    main()
