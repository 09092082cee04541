"""What each look at a lake costs where one connection has so many partitions, beside its floor: a `stat` a file.

`growth ROUNDS` makes the hours of its task that are not there yet, each of a few events, and adds hours one by one.
Functions are measured in this process, commands as a person types them, what Dagster does as Dagster does it; of each
the medians of wall clock and processor time. Not here: what a partition is made of (`made_partitions.py`), many events
(`warehouse_growth.py`).
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg

from benchmarks.contenders.direct import CONNECTION, published_rows
from benchmarks.contenders.through_dagster import SFMC, make_project
from benchmarks.made_partitions import make_partitions
from benchmarks.task import Stopwatch, Task, say
from journey_pipeline.components.deployment import load_deployment
from journey_pipeline.components.instance import open_instance
from journey_pipeline.components.runs import Runner
from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.partition import LoadSettings
from journey_pipeline.loading.plan import find_gaps, survey
from journey_pipeline.model import Granularity, Window
from journey_pipeline.vendors.sfmc.journey_history.stream import journey_history_stream
from journey_pipeline.vendors.source import Stream
from journey_pipeline.warehouse.connection import warehouse_file
from journey_pipeline.warehouse.equality import compare_with_lake
from journey_pipeline.warehouse.publish import copy_file, publish
from journey_pipeline.warehouse.sync import sync

_SETTLED_S = 2.1  # what was written less long ago is not remembered yet
_MISSING = 1  # what `status` ends with, since the hours to come are not there


@dataclass(slots=True)
class Costs:
    """Seconds of wall clock and processors, by what was done, and phases of the syncs."""

    taken: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    phases: dict[str, list[float]] = field(default_factory=dict)

    def measure(self, name: str, work: Callable[[], object]) -> None:
        """Does something once more."""
        cpu_s, watch = _cpu_s(), Stopwatch()
        work()
        self.taken.setdefault(name, []).append((watch.seconds, _cpu_s() - cpu_s))

    @property
    def medians(self) -> dict[str, tuple[float, float]]:
        """By what was done."""
        return {
            name: (statistics.median(wall for wall, _ in one), statistics.median(cpu for _, cpu in one))
            for name, one in self.taken.items()
        }


def main() -> None:
    """Grows the lake in the task's home, and looks at it."""
    watch, task, rounds = Stopwatch(), Task.given(), int(sys.argv[1])
    lake, stream, costs = Lake(task.home), journey_history_stream(CONNECTION, task.span.start), Costs()
    made = _grow(lake, stream, task.windows)
    made_s = watch.seconds
    coming = _hours_after(lake, stream, task.span)
    project = make_project(task, SFMC)
    with open_instance() as instance:
        runner = Runner(load_deployment(project), instance)
        for _ in range(rounds):
            _call(lake, stream, next(coming), costs)
            _run_in_dagster(lake, stream, next(coming), costs, runner)
            _type(lake, stream, next(coming), costs, project)
            _measure_floors(lake, stream, costs)
    phases = {name: statistics.median(seconds) for name, seconds in costs.phases.items()}
    say(published_rows(lake), watch.seconds, made=made, made_s=made_s, phases=phases, costs=costs.medians)


def _grow(lake: Lake, stream: Stream, hours: Iterable[Window]) -> int:
    """Makes what is not there, has it loaded and looked at once, and says how many partitions there are."""
    lacking = [hour for hour in hours if not lake.landing_manifest(stream.key, hour.partition).exists()]
    make_partitions(lake, stream, lacking)
    time.sleep(_SETTLED_S)
    sync(lake)
    compare_with_lake(lake)
    publish(lake)
    _survey(lake, stream, max(lacking).end)
    return len(_landed(lake, stream))


def _landed(lake: Lake, stream: Stream) -> list[str]:
    return sorted(folder.name for folder in lake.landing_dir(stream.key, "any").parent.iterdir())


def _hours_after(lake: Lake, stream: Stream, span: Window) -> Iterator[Window]:
    """The hours from a span's end on that are not there, one by one."""
    there, start = set(_landed(lake, stream)), span.end
    while True:
        hour = Window(start, start + Granularity.HOUR.duration)
        if hour.partition not in there:
            yield hour
        start = hour.end


def _call(lake: Lake, stream: Stream, hour: Window, costs: Costs) -> None:
    """One more hour, and each function alone."""
    make_partitions(lake, stream, [hour])
    costs.measure("sync", lambda: _sync(lake, costs))
    costs.measure("equality", lambda: compare_with_lake(lake))
    costs.measure("publish", lambda: publish(lake))
    costs.measure("copy", lambda: copy_file(warehouse_file(lake), lake.work_dir / "copy"))
    costs.measure("survey", lambda: _survey(lake, stream, hour.end))
    costs.measure("gaps", lambda: find_gaps(lake, stream, hour.end))
    costs.measure("sync of nothing", lambda: sync(lake))
    costs.measure("equality of nothing", lambda: compare_with_lake(lake))


def _sync(lake: Lake, costs: Costs) -> None:
    for name, seconds in sync(lake).phases.items():
        costs.phases.setdefault(name, []).append(seconds)


def _survey(lake: Lake, stream: Stream, until: datetime) -> None:
    survey(lake, stream, Window(stream.start, until), until, LoadSettings())


def _run_in_dagster(lake: Lake, stream: Stream, hour: Window, costs: Costs, runner: Runner) -> None:
    """One more hour, and what Dagster does by itself, its code loaded as in a code server."""
    make_partitions(lake, stream, [hour])
    repository = runner.deployment.definitions.get_repository_def()
    filler = repository.get_schedule_def(f"{CONNECTION}__{stream.key.stream}_gaps")
    context = dg.build_schedule_context(
        instance=runner.instance, repository_def=repository, scheduled_execution_time=hour.end
    )
    costs.measure("run", lambda: _expect(runner.sync_warehouse()))
    costs.measure("tick", lambda: filler.evaluate_tick(context))


def _expect(outcome: Any) -> None:
    if not outcome.succeeded or outcome.problems:
        raise SystemExit(f"the run failed: {outcome.says}\n{outcome.problems}")


def _type(lake: Lake, stream: Stream, hour: Window, costs: Costs, project: Path) -> None:
    """One more hour, and the commands as a person types them."""
    make_partitions(lake, stream, [hour])
    costs.measure("sync command", lambda: _run(project, "sync", 0))
    costs.measure("status command", lambda: _run(project, "status", _MISSING))


def _run(project: Path, name: str, at_most: int) -> None:
    command = [str(Path(sys.executable).parent / "journey-pipeline"), name]
    given = {**os.environ, "PYTHONPATH": str(project)}
    ended = subprocess.run(command, cwd=project, env=given, check=False, capture_output=True, text=True)  # noqa: S603 - our own
    if ended.returncode > at_most or "Traceback" in ended.stderr:
        raise SystemExit(f"{name} ended with {ended.returncode}:\n{ended.stdout}\n{ended.stderr}")


def _measure_floors(lake: Lake, stream: Stream, costs: Costs) -> None:
    names = _landed(lake, stream)
    events = [str(place(stream.key, name)) for place in (lake.events_manifest, lake.events_file) for name in names]
    landed = [lake.landing_dir(stream.key, name) for name in names]
    others = [str(path) for folder in landed for path in (folder / "manifest.json", *folder.glob("*/part-*"))]
    costs.measure("stat events", lambda: _stat(events))
    costs.measure("stat all files", lambda: _stat([*events, *others]))


def _stat(files: Iterable[str]) -> None:
    for file in files:
        os.stat(file)  # noqa: PTH116 - a floor takes the shortest way


def _cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


if __name__ == "__main__":
    main()
