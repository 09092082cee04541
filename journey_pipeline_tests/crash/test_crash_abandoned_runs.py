"""Runs that a killed command left in Dagster's history, in each state in which a kill can meet them."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import dagster as dg
import pytest

from journey_pipeline.components.deployment import load_deployment
from journey_pipeline.components.runs import PROCESS_TAG, Runner

pytestmark = pytest.mark.slow(reason="runs are killed, and Dagster looks for them")

# The states of a run that has been made and has not ended, but for those that only a daemon brings about.
UNFINISHED = [dg.DagsterRunStatus[name] for name in ("NOT_STARTED", "STARTING", "STARTED", "CANCELING")]
# Our own number, but of a process that was made at another time: it had the number before us.
DEAD = f"{os.getpid()}@{socket.gethostname()}:1.0"
ELSEWHERE = f"{os.getpid()}@another-{socket.gethostname()}:1.0"


@pytest.fixture
def runner() -> Iterator[Runner]:
    with dg.DagsterInstance.local_temp() as instance:
        yield Runner(load_deployment(), instance)


def left_behind(runner: Runner, status: dg.DagsterRunStatus, process: str) -> str:
    """A run in a state, with the only slot of a pool of that name in its hands."""
    run = runner.instance.add_run(dg.DagsterRun(job_name="load", status=status, tags={PROCESS_TAG: process}))
    storage = runner.instance.event_log_storage
    storage.set_concurrency_slots(status.value, 1)
    assert storage.claim_concurrency_slot(status.value, run.run_id, "step").is_claimed
    return run.run_id


def held(runner: Runner) -> set[str]:
    """The pools with a slot in somebody's hands."""
    storage = runner.instance.event_log_storage
    pools = storage.get_concurrency_keys()
    return {pool for pool in pools if storage.get_concurrency_info(pool).active_slot_count}


def test_runs_whose_command_was_killed_are_marked_failed_and_hold_nothing(runner: Runner) -> None:
    left = {left_behind(runner, status, DEAD) for status in UNFINISHED}
    assert len(held(runner)) == len(left) == 4
    assert set(runner.fail_abandoned()) == left
    assert {run.status for run in runner.instance.get_runs()} == {dg.DagsterRunStatus.FAILURE}
    assert held(runner) == set()


def test_a_run_of_another_machine_is_left_alone(runner: Runner) -> None:
    left_behind(runner, dg.DagsterRunStatus.STARTED, ELSEWHERE)
    assert runner.fail_abandoned() == []
    assert held(runner) == {"STARTED"}
