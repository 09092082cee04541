"""Runs that a killed process left in Dagster's history, in each state in which a kill can meet them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.events import EngineEventData

from journey_pipeline.components.instance import open_instance
from journey_pipeline.components.runs import (
    LOCATION_TAG,
    PROCESS_TAG,
    abandoned_runs_sensor,
    fail_runs_of_killed_commands,
    fail_runs_of_killed_workers,
)
from journey_pipeline_tests.new_home import put_history

pytestmark = pytest.mark.slow(reason="runs are killed, and Dagster looks for them")

# The states of a run that has been made and has not ended, but for those that only a daemon brings about.
UNFINISHED = [dg.DagsterRunStatus[name] for name in ("NOT_STARTED", "STARTING", "STARTED", "CANCELING")]
# Our own number, but of a process that was made at another time: it had the number before us.
DEAD = f"{os.getpid()}@{socket.gethostname()}:1.0"
ELSEWHERE = f"{os.getpid()}@another-{socket.gethostname()}:1.0"


HERE = "our_location"


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """As a deployment has it: with a queue, and workers beside the code server."""
    put_history(tmp_path)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.setenv("JOURNEY_PIPELINE_HOME", str(tmp_path))
    with open_instance() as opened:
        yield opened


@pytest.fixture
def ended() -> int:
    """The number of a process that was there and is no more."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        return process.pid


def left_behind(instance: dg.DagsterInstance, status: dg.DagsterRunStatus, **tags: str) -> str:
    """A run in a state, with the only slot of a pool of that name in its hands."""
    run = instance.add_run(dg.DagsterRun(job_name="load", status=status, tags=tags))
    storage = instance.event_log_storage
    storage.set_concurrency_slots(status.value, 1)
    assert storage.claim_concurrency_slot(status.value, run.run_id, "step").is_claimed
    return run.run_id


def begun(instance: dg.DagsterInstance, pid: int, location: str = HERE) -> str:
    """A run that a daemon had started in a process of its own."""
    run_id = left_behind(instance, dg.DagsterRunStatus.STARTED, **{LOCATION_TAG: location})
    run = instance.get_run_by_id(run_id)
    assert run is not None
    instance.report_engine_event("Started process for run.", run, EngineEventData.in_process(pid))
    return run_id


def held(instance: dg.DagsterInstance) -> set[str]:
    """The pools with a slot in somebody's hands."""
    storage = instance.event_log_storage
    pools = storage.get_concurrency_keys()
    return {pool for pool in pools if storage.get_concurrency_info(pool).active_slot_count}


def test_runs_whose_command_was_killed_are_marked_failed_and_hold_nothing(instance: dg.DagsterInstance) -> None:
    left = {left_behind(instance, status, **{PROCESS_TAG: DEAD}) for status in UNFINISHED}
    assert len(held(instance)) == len(left) == 4
    assert set(fail_runs_of_killed_commands(instance)) == left
    assert {run.status for run in instance.get_runs()} == {dg.DagsterRunStatus.FAILURE}
    assert held(instance) == set()


def test_a_run_of_another_machine_is_left_alone(instance: dg.DagsterInstance) -> None:
    left_behind(instance, dg.DagsterRunStatus.STARTED, **{PROCESS_TAG: ELSEWHERE})
    assert fail_runs_of_killed_commands(instance) == []
    assert held(instance) == {"STARTED"}


def test_a_run_whose_worker_and_code_server_were_killed_is_marked_failed_and_holds_nothing(
    instance: dg.DagsterInstance, ended: int
) -> None:
    left = begun(instance, ended)
    assert held(instance) == {"STARTED"}
    assert fail_runs_of_killed_workers(instance, HERE) == [left]
    assert held(instance) == set()
    (run,) = instance.get_runs()
    assert run.status is dg.DagsterRunStatus.FAILURE
    assert fail_runs_of_killed_workers(instance, HERE) == []


@pytest.mark.parametrize("location", [HERE, "another_location"])
def test_a_run_that_goes_on_or_is_of_another_location_is_left_alone(
    instance: dg.DagsterInstance, ended: int, location: str
) -> None:
    begun(instance, os.getpid() if location == HERE else ended, location)
    assert fail_runs_of_killed_workers(instance, HERE) == []
    assert held(instance) == {"STARTED"}


def test_runs_that_have_not_begun_or_whose_process_nobody_noted_are_left_to_dagster(
    instance: dg.DagsterInstance,
) -> None:
    left_behind(instance, dg.DagsterRunStatus.STARTED, **{LOCATION_TAG: HERE})
    left_behind(instance, dg.DagsterRunStatus.STARTING, **{LOCATION_TAG: HERE})
    assert fail_runs_of_killed_workers(instance, HERE) == []


def test_the_sensor_says_how_many_it_marked(instance: dg.DagsterInstance) -> None:
    left_behind(instance, dg.DagsterRunStatus.STARTED, **{PROCESS_TAG: DEAD})
    sensor = abandoned_runs_sensor(dg.DefaultSensorStatus.RUNNING)
    first = sensor.evaluate_tick(dg.build_sensor_context(instance=instance))
    assert first.skip_message == "1 runs were marked failed: their processes had ended"
    second = sensor.evaluate_tick(dg.build_sensor_context(instance=instance))
    assert second.skip_message == "all started runs are still running"
