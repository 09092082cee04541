"""Hours of a deployment in minutes, and a count of what went red: `python -m journey_pipeline_tests.soak --hours 6`.

The clock of the simulated vendors and of the pipeline is moved in steps of five minutes. Schedules and sensors are
evaluated when they are due, and each run is a process of its own, as many at a time as `dagster.yaml` allows: loads
land while the warehouse is synced and checks look. Not here: Dagster's own daemon, whose queue and intervals are
imitated.

Exits with 1 if a check was red, a run failed or a tick did.
"""

from __future__ import annotations

import argparse
import atexit
import gc
import json
import os
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

import click
import dagster as dg
from dagster import _time as dagster_time
from dagster._utils.schedules import schedule_execution_time_iterator

from journey_pipeline.cli.demo import sandbox_environment, use_home_of_sandbox
from journey_pipeline.cli.receiver import receiving
from journey_pipeline.components.deployment import Deployment, load_deployment
from journey_pipeline.components.instance import accepted_previews, open_instance
from journey_pipeline.components.runs import Runner
from journey_pipeline.components.translator import RANGE_END, RANGE_START
from journey_pipeline.components.warehouse import WAREHOUSE_POOL
from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline.settings import CLOCK_OFFSET_VARIABLE, utc_now

STEP = timedelta(minutes=5)  # schedules are due at multiples of it
ROWS_PER_HOUR = 200  # so few that an export of the whole history is made within a client's patience, beside four runs
MOST_RUNS = 4
MOST_WAITING = 12  # the clock stands while more runs wait, as it would not outrun a machine that keeps up
LONGEST_RUN = timedelta(minutes=30)  # and while one has run so long: its own clock is as far behind


@dataclass
class Asked:
    """A run that waits for its turn; `span` has the first and the last partition if it is over a range."""

    name: str
    pools: frozenset[str]
    work: Callable[[dg.DagsterInstance], object]
    span: tuple[str, ...] = ()


@dataclass
class Soak:
    """A deployment and what its daemon would keep in mind."""

    deployment: Deployment
    instance: dg.DagsterInstance
    now: datetime
    queue: list[Asked] = field(default_factory=list)
    running: dict[int, Asked] = field(default_factory=dict)
    begun: dict[int, datetime] = field(default_factory=dict)
    known: set[tuple[str, str]] = field(default_factory=set)
    cursors: dict[str, str | None] = field(default_factory=dict)
    failed: Counter[str] = field(default_factory=Counter)
    synced_at: int = 0

    def pass_step(self, now: datetime) -> None:
        """Evaluates what is due since the last step, and starts runs."""
        self.now = now
        with accepted_previews():
            repository = self.deployment.definitions.get_repository_def()
            for schedule, at in self._ticks(now):
                context = dg.build_schedule_context(
                    instance=self.instance, repository_def=repository, scheduled_execution_time=at
                )
                self._evaluate(schedule.name, lambda s=schedule, c=context: s.evaluate_tick(c), schedule.job_name)
            for sensor in self._sensors():
                context = dg.build_sensor_context(
                    instance=self.instance, cursor=self.cursors.get(sensor.name), repository_def=repository
                )
                self._evaluate(sensor.name, lambda s=sensor, c=context: s.evaluate_tick(c), "")
        self._ask_for_sync()
        self.start()

    def start(self) -> None:
        """Starts runs whose pools are free, and takes note of ended ones."""
        self._reap()
        for asked in list(self.queue):
            busy = frozenset[str]().union(*(run.pools for run in self.running.values()))
            if len(self.running) < MOST_RUNS and not asked.pools & busy:
                self.queue.remove(asked)
                process = _fork(asked)
                self.running[process], self.begun[process] = asked, self.now

    @property
    def keeps_up(self) -> bool:
        """Whether the clock may go on."""
        oldest = min((self.begun[process] for process in self.running), default=self.now)
        return len(self.queue) <= MOST_WAITING and self.now - oldest < LONGEST_RUN

    def _reap(self) -> None:
        for process in list(self.running):
            ended, status = os.waitpid(process, os.WNOHANG)
            if ended:
                asked = self.running.pop(process)
                if status:
                    self.failed[f"process of {asked.name}"] += 1

    def _ticks(self, now: datetime) -> Iterator[tuple[dg.ScheduleDefinition, datetime]]:
        for schedule in self.deployment.definitions.schedules or ():
            if isinstance(schedule, dg.ScheduleDefinition):
                since = (now - STEP).timestamp()
                at = next(schedule_execution_time_iterator(since + 1, schedule.cron_schedule, "UTC"))
                if at <= now:
                    yield schedule, at.astimezone(UTC)

    def _sensors(self) -> list[dg.SensorDefinition]:
        special = (dg.RunStatusSensorDefinition, dg.AutomationConditionSensorDefinition)
        found = self.deployment.definitions.sensors or ()
        return [one for one in found if isinstance(one, dg.SensorDefinition) and not isinstance(one, special)]

    def _evaluate(self, name: str, evaluate: Callable[[], Any], job: str) -> None:
        try:
            data = evaluate()
        except Exception:  # noqa: BLE001 - as the daemon takes it
            traceback.print_exc()
            self.failed[f"tick of {name}"] += 1
            return
        for event in getattr(data, "asset_events", ()):
            self.instance.report_runless_asset_event(event)
        self.cursors[name] = getattr(data, "cursor", None)
        for request in data.run_requests or ():
            asked = self._asked(request.job_name or job, request)
            if not request.run_key or (name, request.run_key) not in self.known:
                self.known.add((name, request.run_key or ""))
                if not self._is_under_way(asked):
                    self.queue.append(asked)

    def _is_under_way(self, asked: Asked) -> bool:
        """Whether an equal load of a range waits or runs.

        Dagster makes a run as it is asked for, so that a second one keeps what the first one lands. Here it is made as
        it starts, and would order the range again.
        """
        others = (*self.queue, *self.running.values())
        return bool(asked.span) and (asked.name, asked.span) in {(other.name, other.span) for other in others}

    def _asked(self, name: str, request: dg.RunRequest) -> Asked:
        job = self.deployment.definitions.resolve_job_def(name)
        pools = frozenset(pool for node in job.all_node_defs if (pool := getattr(node, "pool", None)))
        given: dict[str, Any] = {"run_config": dict(request.run_config), "tags": dict(request.tags)}
        if request.partition_key:
            given["partition_key"] = request.partition_key
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        given["run_config"] |= quiet

        def work(instance: dg.DagsterInstance) -> None:
            job.execute_in_process(instance=instance, raise_on_error=False, **given)

        span = tuple(request.tags[name] for name in (RANGE_START, RANGE_END) if name in request.tags)
        return Asked(name, pools, work, span)

    def _ask_for_sync(self) -> None:
        """Once any events are new, as the automation of the warehouse does: while loads go on."""
        if any(WAREHOUSE_POOL in asked.pools for asked in (*self.queue, *self.running.values())):
            return
        connections = self.deployment.connections
        keys = [assets.events for one in connections for assets in one.streams]
        keys += list(chain.from_iterable(one.dimension_keys for one in connections))
        found = [
            record.storage_id
            for key in keys
            for record in self.instance.fetch_materializations(key, limit=1).records
            if record.storage_id > self.synced_at
        ]
        if found:
            self.synced_at = max(found)
            deployment = self.deployment
            pools = frozenset({WAREHOUSE_POOL})
            sync = Asked("warehouse", pools, lambda instance: Runner(deployment, instance).sync_warehouse())
            self.queue.append(sync)


def _fork(asked: Asked) -> int:
    """Runs it in a process of its own, which has all that this one has imported."""
    if process := os.fork():
        return process
    code = 1
    try:
        with open_instance() as instance:
            asked.work(instance)
        code = 0
    except BaseException:  # noqa: BLE001 - this process must never go on as its parent
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


@contextmanager
def vendors() -> Iterator[Callable[[datetime], None]]:
    """The simulated vendors and the receiver, in a process of their own; gives what sets their clock and ours.

    They have threads, which don't survive in runs that are forked.
    """
    told, tells = os.pipe()
    answered, answers = os.pipe()
    process = os.fork()
    if not process:
        os.close(tells)
        _serve(told, answers)
    os.close(told)
    os.close(answers)
    with os.fdopen(answered) as heard, os.fdopen(tells, "w", buffering=1) as say:
        os.environ.update(json.loads(heard.readline()))

        def set_clock(now: datetime) -> None:
            say.write(f"{now.isoformat()}\n")
            heard.readline()
            os.environ[CLOCK_OFFSET_VARIABLE] = str((now - datetime.now(UTC)).total_seconds())

        yield set_clock
    os.waitpid(process, 0)


def _serve(told: int, answers: int) -> None:
    with (
        serve(World(rows_per_hour=ROWS_PER_HOUR), clock=SandboxClock()) as sandbox,
        receiving() as hooks,
        os.fdopen(told) as hears,
        os.fdopen(answers, "w", buffering=1) as say,
    ):
        environment = sandbox_environment(sandbox, hooks)
        os.environ.update(environment)  # the receiver judges links by it
        say.write(json.dumps(environment) + "\n")
        for line in hears:
            now = datetime.fromisoformat(line.strip())
            sandbox.clock.set(now)
            os.environ[CLOCK_OFFSET_VARIABLE] = str((now - datetime.now(UTC)).total_seconds())
            say.write("\n")
    os._exit(0)


def _give_dagster_our_clock() -> None:
    """Which partitions there are is told by Dagster's own clock."""
    vars(dagster_time)["_mockable_get_current_datetime"] = utc_now
    vars(dagster_time)["_mockable_get_current_timestamp"] = lambda: utc_now().timestamp()


def soak(hours: float) -> Counter[str]:
    """Lets hours pass from the present on; gives failed ticks."""
    begun = datetime.now(UTC).replace(second=0, microsecond=0)
    with vendors() as set_clock, open_instance() as instance:
        _give_dagster_our_clock()
        running = Soak(load_deployment(), instance, begun)
        running.deployment.definitions.get_repository_def()
        gc.freeze()
        atexit.register(gc.unfreeze)  # DuckDB's extension calls what is not taken apart at the end a leak
        for step in range(1, round(timedelta(hours=hours) / STEP) + 1):
            set_clock(now := begun + step * STEP)
            running.pass_step(now)
            while not running.keeps_up:
                time.sleep(0.1)
                running.start()
            if step % 6 == 0:
                click.echo(f"{now:%H:%M}, {len(running.queue)} runs wait, {len(running.running)} run")
        while running.queue or running.running:
            time.sleep(0.1)
            running.start()
        return running.failed


def count(instance: dg.DagsterInstance) -> tuple[Counter[str], Mapping[str, int]]:
    """The red evaluations and failed runs in a history, by what they are; and how many of each there were in all."""
    red: Counter[str] = Counter()
    all_of: Counter[str] = Counter()
    kinds = {dg.DagsterEventType.ASSET_CHECK_EVALUATION, dg.DagsterEventType.STEP_FAILURE}
    for run in instance.get_runs():
        all_of["runs"] += 1
        if run.status is not dg.DagsterRunStatus.SUCCESS:
            red[f"{run.status.value} run of {run.job_name}"] += 1
        for record in instance.get_records_for_run(run.run_id, of_type=kinds).records:
            event = record.event_log_entry.get_dagster_event()
            if event.event_type is dg.DagsterEventType.STEP_FAILURE:
                click.echo(f"{run.job_name} failed: {event.step_failure_data.error_display_string}"[:1000])
                continue
            all_of["check evaluations"] += 1
            given = event.asset_check_evaluation_data
            if not given.passed:
                red[f"{given.severity.value} {given.asset_key.to_user_string()} {given.check_name}"] += 1
                click.echo(f"{given.check_name} {given.partition or ''}: {given.description}"[:500])
    return red, all_of


def main() -> None:
    """Runs it, and counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=6.0)
    parser.add_argument("--home", help="A folder for all files [default: a new one].")
    given = parser.parse_args()
    use_home_of_sandbox(given.home or tempfile.mkdtemp(prefix="soak-"))
    red = soak(given.hours)
    with open_instance() as instance:
        more, all_of = count(instance)
    red += more
    click.echo(f"{given.hours:g} hours: " + ", ".join(f"{number} {what}" for what, number in all_of.items()))
    for what, number in red.most_common():
        click.echo(f"{number:5} {what}")
    click.echo(f"{red.total()} red")
    sys.exit(1 if red else 0)


if __name__ == "__main__":
    main()
