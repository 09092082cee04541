"""One profile export as the command line loads it: a Dagster run that orders, polls and lands it and makes its events.

Not here: the same without Dagster (`export_direct.py`).
"""

from __future__ import annotations

from benchmarks.contenders.export_direct import CONNECTION
from benchmarks.contenders.through_dagster import make_project
from benchmarks.task import Stopwatch, Task, say
from journey_pipeline.components.deployment import load_deployment
from journey_pipeline.components.instance import open_instance
from journey_pipeline.components.runs import Runner
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import EventsManifest

APSIS = """
type: journey_pipeline.components.ApsisExports
attributes:
  connection: apsis
  start: "START"
"""


def main() -> None:
    """Loads the day of this process's task."""
    watch = Stopwatch()
    task = Task.given()
    with open_instance() as instance:
        runner = Runner(load_deployment(make_project(task, APSIS)), instance)
        (assets,) = runner.deployment.streams(f"{CONNECTION}/profile_events")
        start_s = watch.seconds
        loaded = runner.load(assets, [task.span], pull=True, only_missing=True)
    manifest = EventsManifest.read(Lake(task.home).events_manifest(assets.stream.key, task.span.partition))
    if not loaded.succeeded or manifest is None:
        raise SystemExit(loaded.says)
    say(manifest.events.rows, watch.seconds, start_s=start_s, load_s=watch.seconds - start_s)


if __name__ == "__main__":
    main()
