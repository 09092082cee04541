"""What each look at a lake costs where one connection has so many partitions, beside its floor: a `stat` a file.

`growth PARTITIONS ROUNDS` makes them, each of a few events, and adds hours one by one. Functions are measured in this
process, commands as a person types them; of each the medians of wall clock and processor time. Not here: what a
partition is made of (`made_partitions.py`), many events (`warehouse_growth.py`).
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.contenders.direct import CONNECTION, published_rows
from benchmarks.contenders.through_dagster import SFMC, make_project
from benchmarks.made_partitions import make_partitions
from benchmarks.task import Stopwatch, Task, say
from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.gaps import find_gaps
from journey_pipeline.loading.partition import LoadSettings
from journey_pipeline.loading.plan import survey
from journey_pipeline.model import Granularity, Window, floor
from journey_pipeline.vendors.sfmc.journey_history import journey_history_stream
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
    """Grows a lake in the task's home, and looks at it."""
    watch = Stopwatch()
    lake, partitions, rounds = Lake(Task.given().home), int(sys.argv[1]), int(sys.argv[2])
    hours = _hours(partitions + 2 * rounds)
    stream = journey_history_stream(CONNECTION, hours[0].start)
    make_partitions(lake, stream, hours[:partitions])
    time.sleep(_SETTLED_S)
    made_s, costs = watch.seconds, Costs()
    costs.measure("first sync", lambda: sync(lake))
    costs.measure("first equality", lambda: compare_with_lake(lake))
    costs.measure("first survey", lambda: _survey(lake, stream, hours[partitions - 1].end))
    publish(lake)
    for hour in hours[partitions : partitions + rounds]:
        _look(lake, stream, hour, costs)
    _run_commands(lake, stream, hours[partitions + rounds :], costs)
    _measure_floors(lake, stream, hours, costs, rounds)
    phases = {name: statistics.median(seconds) for name, seconds in costs.phases.items()}
    say(published_rows(lake), watch.seconds, partitions=partitions, made_s=made_s, phases=phases, costs=costs.medians)


def _hours(number: int) -> list[Window]:
    end = floor(datetime.now(UTC), Granularity.HOUR)
    return Window(end - timedelta(hours=number), end).partitions(Granularity.HOUR)


def _look(lake: Lake, stream: Stream, hour: Window, costs: Costs) -> None:
    make_partitions(lake, stream, [hour])
    costs.measure("sync", lambda: _sync(lake, costs))
    costs.measure("equality", lambda: compare_with_lake(lake))
    costs.measure("publish", lambda: publish(lake))
    costs.measure("copy", lambda: copy_file(warehouse_file(lake), lake.work_dir / "copy"))
    costs.measure("survey", lambda: _survey(lake, stream, hour.end))
    costs.measure("gaps", lambda: find_gaps(lake, stream, hour.end))
    costs.measure("sync of nothing", lambda: sync(lake))


def _sync(lake: Lake, costs: Costs) -> None:
    for name, seconds in sync(lake).phases.items():
        costs.phases.setdefault(name, []).append(seconds)


def _survey(lake: Lake, stream: Stream, until: datetime) -> None:
    survey(lake, stream, Window(stream.start, until), until, LoadSettings())


def _run_commands(lake: Lake, stream: Stream, hours: list[Window], costs: Costs) -> None:
    project = make_project(Task(lake.home, Window(stream.start, hours[-1].end), ""), SFMC)
    for hour in hours:
        make_partitions(lake, stream, [hour])
        costs.measure("sync command", lambda: _run(project, "sync", 0))
        costs.measure("status command", lambda: _run(project, "status", _MISSING))


def _run(project: Path, name: str, at_most: int) -> None:
    command = [str(Path(sys.executable).parent / "journey-pipeline"), name]
    given = {**os.environ, "PYTHONPATH": str(project)}
    ended = subprocess.run(command, cwd=project, env=given, check=False, capture_output=True, text=True)  # noqa: S603 - our own
    if ended.returncode > at_most or "Traceback" in ended.stderr:
        raise SystemExit(f"{name} ended with {ended.returncode}:\n{ended.stdout}\n{ended.stderr}")


def _measure_floors(lake: Lake, stream: Stream, hours: list[Window], costs: Costs, rounds: int) -> None:
    names = [hour.partition for hour in hours]
    manifests = [str(lake.events_manifest(stream.key, name)) for name in names]
    others = [str(place(stream.key, name)) for place in (lake.landing_manifest, lake.events_file) for name in names]
    parts = [str(part) for name in names for part in lake.landing_dir(stream.key, name).glob("*/part-*")]
    for _ in range(rounds):
        costs.measure("stat manifests", lambda: _stat(manifests))
        costs.measure("stat all files", lambda: _stat([*manifests, *others, *parts]))


def _stat(files: Iterable[str]) -> None:
    for file in files:
        os.stat(file)  # noqa: PTH116 - a floor takes the shortest way


def _cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


if __name__ == "__main__":
    main()
