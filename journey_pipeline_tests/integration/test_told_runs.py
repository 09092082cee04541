"""What a run says of itself, so that a person can tell it from others in the UI."""

from __future__ import annotations

from dataclasses import replace

import dagster as dg
import pytest

from journey_pipeline.components.deployment import Deployment
from journey_pipeline.components.load_assets import LoadAssets
from journey_pipeline.components.runs import Runner
from journey_pipeline_tests.integration.truth import hours_ago


@pytest.mark.slow(reason="an hour goes through Dagster")
def test_a_run_of_the_command_line_says_its_job_its_command_and_whose_it_is(runner: Runner, assets: LoadAssets) -> None:
    by_command = replace(runner, command="backfill")
    by_command.load(assets, hours_ago(9, 1), pull=True, only_missing=True)
    by_command.load(assets, hours_ago(9, 1), pull=False, only_missing=False)
    by_command.pull_dimensions("sfmc")
    by_command.remove_leftovers("sfmc")
    by_command.sync_warehouse()
    told = {
        run.job_name: {name: run.tags.get(name) for name in ("command", "connection", "stream", "does")}
        for run in runner.instance.get_runs()
    }
    ours = {"command": "backfill", "connection": "sfmc"}
    assert told == {
        "sfmc__journey_history_load": ours | {"stream": "journey_history", "does": "load"},
        "sfmc__journeys_pull": ours | {"stream": "journeys", "does": "pull"},
        "sfmc_leftovers": ours | {"stream": None, "does": "leftovers"},
        "warehouse_sync": {"command": "backfill", "connection": None, "stream": None, "does": "sync"},
    }


def test_each_job_of_a_connection_says_in_a_tag_what_it_does(deployment: Deployment) -> None:
    """The UI's list of runs cuts off the end of a job's name: loads and checks of a stream would look the same."""
    jobs = [job for job in deployment.definitions.get_repository_def().get_all_jobs() if "connection" in job.tags]
    assert len(jobs) > 10
    for job in jobs:
        assert job.name.endswith(f"_{job.tags['does']}")
        whose = [other for other in jobs if {**other.tags, "does": ""} == {**job.tags, "does": ""}]
        assert len({other.tags["does"] for other in whose}) == len(whose)


def test_each_run_that_belongs_to_no_connection_says_what_it_does_too(deployment: Deployment) -> None:
    repository = deployment.definitions.get_repository_def()
    jobs = [job for job in repository.get_all_jobs() if not job.name.startswith("__") and "connection" not in job.tags]
    assert {job.name: job.tags.get("does") for job in jobs} == {
        "warehouse_sync": "sync",
        "reports_write": "write",
        "old_runs": "forget",
    }
    syncs = repository.get_sensor_def("warehouse_sync")
    assert isinstance(syncs, dg.AutomationConditionSensorDefinition)
    assert syncs.run_tags == {"does": "sync"}


def test_each_schedule_and_sensor_of_a_connection_names_it_in_a_tag_and_in_its_description(
    deployment: Deployment,
) -> None:
    repository = deployment.definitions.get_repository_def()
    given: list[dg.ScheduleDefinition | dg.SensorDefinition] = [*repository.schedule_defs, *repository.sensor_defs]
    of_connections = [one for one in given if one.name.startswith("sfmc")]
    assert len(of_connections) > 10
    for one in of_connections:
        connection = "sfmc_brand_b" if one.name.startswith("sfmc_brand_b") else "sfmc"
        assert one.tags["connection"] == connection
        assert f"{connection}/" in str(one.description) or str(one.description).endswith(f"{connection}.")
