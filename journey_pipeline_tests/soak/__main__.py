"""Hours of a deployment in minutes, and a count of what went red: `python -m journey_pipeline_tests.soak --hours 6`.

It is `journey-pipeline dev` with a fast clock: webserver, Dagster's daemon, its queue and its runs are the real ones,
the simulated vendors are healthy.

Exits with 1 if a check was red, a run failed or a tick did.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import dagster as dg
import requests
from dagster._core.scheduler.instigation import InstigatorTick, TickStatus

from journey_pipeline.cli.demo import use_home_of_sandbox
from journey_pipeline.components.instance import open_instance

FAST_CLOCK = Path(__file__).with_name("fast_clock")
COMMAND = Path(sys.executable).with_name("journey-pipeline")
LINES = "soak.log"
STARTING = timedelta(seconds=60)  # meanwhile the clock is real


def soak(hours: float, speed: float, home: Path) -> None:
    """Lets hours pass from the present on."""
    begins = datetime.now(UTC) + STARTING
    with _developing(home, begins, speed) as dev:
        _wait_until(begins)
        _tell_vendors(_sandbox(home / LINES), speed)
        for passed in range(1, round(hours) + 1):
            _wait_until(begins + timedelta(hours=passed) / speed)
            if dev.poll() is not None:
                raise click.ClickException(f"it ended by itself: {(home / LINES).read_text()}")
            with open_instance() as instance:
                click.echo(f"{passed} h: {instance.get_runs_count()} runs")
    with open_instance() as instance:
        passed_s = max(tick.timestamp for _, tick in ticks(instance)) - begins.timestamp()
    if passed_s < timedelta(hours=hours - 1).total_seconds():
        raise click.ClickException(f"Dagster's clock was not fast: its last tick came {passed_s:g} s after the start")


@contextmanager
def _developing(home: Path, begins: datetime, speed: float) -> Iterator[subprocess.Popen[bytes]]:
    environment = os.environ | {"FAST_CLOCK": f"{begins.timestamp()} {speed}", "PYTHONPATH": str(FAST_CLOCK)}
    with (
        (home / LINES).open("wb") as lines,
        subprocess.Popen(
            [COMMAND, "dev", "--port", "0", "--home", home], env=environment, stdout=lines, stderr=lines
        ) as dev,
    ):
        try:
            yield dev
        finally:
            dev.send_signal(signal.SIGINT)
            dev.wait()


def _wait_until(at: datetime) -> None:
    time.sleep(max(0.0, (at - datetime.now(UTC)).total_seconds()))


def _sandbox(lines: Path) -> str:
    """The address that `dev` says."""
    said = lines.read_text()
    if found := re.search(r"^sandbox +(\S+)$", said, re.MULTILINE):
        return found[1]
    raise click.ClickException(f"it has not started after {STARTING.total_seconds():g} s: {said}")


def _tell_vendors(sandbox: str, speed: float) -> None:
    requests.post(f"{sandbox}/_sandbox/clock", json={"speed": speed}, timeout=10).raise_for_status()


def ticks(instance: dg.DagsterInstance) -> Iterator[tuple[str, InstigatorTick]]:
    """What schedules and sensors did, by their names."""
    for state in instance.all_instigator_state():
        for tick in instance.get_ticks(state.instigator_origin_id, state.selector_id):
            yield state.instigator_name, tick


def count(instance: dg.DagsterInstance) -> tuple[Counter[str], Counter[str]]:
    """The red evaluations, failed runs and ticks in a history, by what they are; and how many of each there were."""
    red: Counter[str] = Counter()
    all_of: Counter[str] = Counter()
    for run in instance.get_runs():
        all_of["runs"] += 1
        if run.status is dg.DagsterRunStatus.FAILURE:
            red[f"failed run of {run.job_name}"] += 1
        _count_events(instance, run, red, all_of)
    for name, tick in ticks(instance):
        all_of["ticks"] += 1
        if tick.status is TickStatus.FAILURE:
            red[f"failed tick of {name}"] += 1
    return red, all_of


def _count_events(instance: dg.DagsterInstance, run: dg.DagsterRun, red: Counter[str], all_of: Counter[str]) -> None:
    kinds = {dg.DagsterEventType.ASSET_CHECK_EVALUATION, dg.DagsterEventType.STEP_FAILURE}
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


def main() -> None:
    """Runs it, and counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=6.0)
    parser.add_argument("--speed", type=float, default=12.0, help="Seconds that pass in a second [default: 12].")
    parser.add_argument("--home", help="A folder for all files [default: a new one].")
    given = parser.parse_args()
    home = Path(given.home or tempfile.mkdtemp(prefix="soak-")).resolve()
    use_home_of_sandbox(str(home))
    soak(given.hours, given.speed, home)
    with open_instance() as instance:
        red, all_of = count(instance)
    click.echo(f"{given.hours:g} hours: " + ", ".join(f"{number} {what}" for what, number in all_of.items()))
    for what, number in red.most_common():
        click.echo(f"{number:5} {what}")
    click.echo(f"{red.total()} red")
    sys.exit(1 if red else 0)


if __name__ == "__main__":
    main()
