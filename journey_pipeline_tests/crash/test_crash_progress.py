"""A load that is killed in its middle leaves in Dagster's history what it had finished."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from journey_pipeline.loading.checks import CLAIMS
from journey_pipeline.model import Granularity, Window, floor
from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline_tests.crash.backfills import Backfills
from journey_pipeline_tests.crash.commands import CommandServer
from journey_pipeline_tests.crash.kills import KillWhen
from journey_pipeline_tests.projects import NOW, make_project

EVENTS = dg.AssetKey(["events", "sfmc", "journey_history"])
EVALUATED = "select count(*) from asset_check_executions where execution_status = 'SUCCEEDED'"


def evaluated(home: Path) -> int:
    """How many checks the history holds; none before it has tables."""
    with (
        suppress(sqlite3.OperationalError),
        closing(sqlite3.connect(f"file:{home}/dagster/history/runs/index.db?mode=ro", uri=True)) as history,
    ):
        return int(history.execute(EVALUATED).fetchone()[0])
    return 0


@pytest.mark.slow(reason="a backfill is killed and run again")
def test_a_killed_backfill_has_recorded_the_hours_that_it_had_finished_with_their_checks(
    tmp_path: Path, command_server: CommandServer
) -> None:
    first = floor(NOW, Granularity.HOUR) - timedelta(days=3)
    span = Window(first, first + timedelta(hours=4))
    *finished, hanging = span.partitions(Granularity.HOUR)
    with serve(World(rows_per_hour=40, contacts=100, steady=True), clock=SandboxClock(NOW)) as sandbox:
        folder = make_project(tmp_path, "sfmc", start=first)
        backfills = Backfills(sandbox, command_server, folder, span, NOW - datetime.now(UTC))
        sandbox.faults.add(f"download:slow_first_byte=60#{hanging.partition}")
        three = len(finished) * len(CLAIMS)
        assert backfills.run(KillWhen("three are recorded", 0, lambda home: evaluated(home) >= three)).was_killed
        with dg.DagsterInstance.from_config(str(backfills.home / "dagster")) as instance:
            (run,) = instance.get_runs()
            assert run.status is dg.DagsterRunStatus.STARTED
            known = instance.get_materialized_partitions(EVENTS)
        assert known == {f"{hour.start:%Y-%m-%d-%H:%M}" for hour in finished}
        sandbox.faults.clear()
        assert backfills.run().code == 0
