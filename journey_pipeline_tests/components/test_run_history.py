"""The job that lets old runs go, as a deployment has it, and the room that it gives back beside others who write."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from pydantic import ValidationError

from journey_pipeline.components.connection import connections_in
from journey_pipeline.components.deployment import Deployment, load_deployment
from journey_pipeline.components.instance import accepted_previews, compact_history, history_files, open_instance
from journey_pipeline.components.run_history import JourneyRunHistory
from journey_pipeline_tests.new_home import put_history

CHECK_JOB = "sfmc__journey_history_completeness"


@pytest.fixture(scope="module")
def deployment() -> Deployment:
    return load_deployment(Path(__file__).parents[2])


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    put_history(tmp_path)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.setenv("JOURNEY_PIPELINE_HOME", str(tmp_path))
    with open_instance() as opened:
        yield opened


def test_the_definitions_of_the_package_load(deployment: Deployment) -> None:
    with accepted_previews():
        dg.Definitions.validate_loadable(deployment.definitions)


def test_every_asset_of_a_deployment_is_one_whose_runs_may_go(deployment: Deployment) -> None:
    known = {key for connection in connections_in(deployment.tree) for key in connection.keys}
    known |= {key for warehouse in deployment.warehouses for key in warehouse.keys}
    with accepted_previews():
        made = deployment.definitions.resolve_asset_graph().executable_asset_keys
    assert made
    assert set(made) <= known


@pytest.mark.slow(reason="a run of Dagster")
def test_the_job_says_how_many_runs_went_and_how_much_room_that_gave(
    deployment: Deployment, instance: dg.DagsterInstance
) -> None:
    def run(job: str) -> Any:
        return deployment.definitions.resolve_job_def(job).execute_in_process(instance=instance)

    old, last = run(CHECK_JOB).run_id, run(CHECK_JOB).run_id
    runs_file = next(file for file in history_files(instance) if file.name == "runs.db")
    with closing(sqlite3.connect(runs_file)) as database, database:
        database.execute("update runs set update_timestamp = datetime(update_timestamp, '-91 days')")
    done = run("old_runs")
    (said,) = [event.step_output_data.metadata for event in done.all_events if event.is_successful_output]
    assert {name: value.value for name, value in said.items() if name != "bytes_freed"} == {
        "runs_deleted": 1,
        "logs_deleted": 1,
        "old_runs_left": 0,
        "events_of_no_run_deleted": 0,
    }
    assert said["bytes_freed"].value > 100_000
    assert set(instance.get_run_ids()) == {last, done.run_id}
    assert old not in {last, done.run_id}


@pytest.mark.parametrize("setting", [{"keep_days": 0}, {"runs_at_a_time": 0}, {"schedules": "off"}])
def test_a_setting_that_makes_no_sense_is_refused(setting: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(setting))):
        JourneyRunHistory(**setting)


def fill(instance: dg.DagsterInstance, file: Path, rows: int) -> None:
    """Adds ticks to the file of ticks and deletes them, as years of them would."""
    assert instance.schedule_storage
    with closing(sqlite3.connect(file)) as database, database:
        values = "select 'a', 'SKIPPED', 'sensor', current_timestamp, hex(randomblob(500))"
        number = f"with recursive n(i) as (select 1 union all select i + 1 from n where i < {rows})"
        database.execute(
            f"{number} insert into job_ticks(job_origin_id, status, type, timestamp, tick_body) {values} from n"
        )
        database.execute("delete from job_ticks")


@pytest.fixture
def ticks(instance: dg.DagsterInstance) -> Path:
    return next(file for file in history_files(instance) if file.name == "schedules.db")


def test_the_room_of_deleted_rows_is_given_back_the_first_time_and_ever_after(
    instance: dg.DagsterInstance, ticks: Path
) -> None:
    compact_history(instance)
    empty = ticks.stat().st_size
    for _ in range(2):
        fill(instance, ticks, rows=400)
        (done,) = [done for done in compact_history(instance) if done.file == ticks]
        assert done.why_not == ""
        assert done.bytes > 300_000
        assert ticks.stat().st_size <= empty + 8192


def test_a_file_that_another_process_writes_is_left_until_the_next_turn(
    instance: dg.DagsterInstance, ticks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("journey_pipeline.components.instance.BUSY_S", 0.1)
    fill(instance, ticks, rows=400)
    with closing(sqlite3.connect(ticks, isolation_level=None)) as other:
        other.execute("begin immediate")
        (done,) = [done for done in compact_history(instance) if done.file == ticks]
        assert "locked" in done.why_not
    (done,) = [done for done in compact_history(instance) if done.file == ticks]
    assert (done.why_not, done.bytes > 300_000) == ("", True)


def test_a_history_that_is_not_in_files_has_none_to_compact() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert compact_history(instance) == []
