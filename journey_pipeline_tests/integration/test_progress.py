"""A load records each partition as it is finished, so that a page shows it and a killed run keeps it."""

from __future__ import annotations

import dagster as dg
import pytest

from journey_pipeline.components.load_assets import LoadAssets
from journey_pipeline.components.runs import Runner
from journey_pipeline.components.translator import RANGE_END, RANGE_START, key_of
from journey_pipeline.loading.checks import CLAIMS
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline_tests.integration.recorded import checks
from journey_pipeline_tests.integration.truth import hours_ago

pytestmark = pytest.mark.slow(reason="hours go through Dagster")


def materialized(runner: Runner, asset: dg.AssetKey) -> list[str]:
    """Dagster's keys of the partitions of an asset, as often as each was recorded."""
    wanted = dg.AssetRecordsFilter(asset_key=asset)
    return sorted(str(record.partition_key) for record in runner.instance.fetch_materializations(wanted, 100).records)


def lines(runner: Runner) -> list[str]:
    """What stands in the logs of all runs."""
    return [
        record.event_log_entry.user_message
        for run in runner.instance.get_runs()
        for record in runner.instance.get_records_for_run(run.run_id).records
    ]


def test_each_partition_is_recorded_once_with_its_checks_and_no_output_is_missed(
    runner: Runner, assets: LoadAssets
) -> None:
    hours = hours_ago(9, 3)
    assert runner.load(assets, hours, pull=True, only_missing=True).succeeded
    keys = [key_of(assets.partitions, hour) for hour in hours]
    assert materialized(runner, assets.raw) == materialized(runner, assets.events) == keys
    assert all(set(checks(runner, assets, key)) == set(CLAIMS) for key in keys)
    assert not [line for line in lines(runner) if "expected outputs" in line or "implicit Nothing" in line]


def test_a_step_that_is_tried_again_records_only_what_it_had_not(
    runner: Runner, assets: LoadAssets, sandbox: Sandbox
) -> None:
    hours = hours_ago(9, 3)
    keys = [key_of(assets.partitions, hour) for hour in hours]
    sandbox.faults.add(f"download:503#{hours[1].partition}")
    done = runner.deployment.definitions.resolve_job_def(assets.job_name).execute_in_process(
        instance=runner.instance,
        tags={RANGE_START: keys[0], RANGE_END: keys[-1]},
        run_config={"ops": {assets.op_name: {"config": {"tries_later": 1, "first_wait_s": 0.0}}}},
        raise_on_error=False,
    )
    assert [
        event.event_type_value for event in done.all_events if event.is_step_restarted or event.is_step_failure
    ] == [
        "STEP_RESTARTED",
        "STEP_FAILURE",
    ]
    assert materialized(runner, assets.raw) == materialized(runner, assets.events) == [keys[0], keys[2]]


def test_events_alone_of_hours_that_have_not_landed_say_what_to_select(runner: Runner, assets: LoadAssets) -> None:
    hours = hours_ago(9, 3)
    first, last = (key_of(assets.partitions, hour) for hour in (hours[0], hours[-1]))
    outcome = runner.load(assets, hours, pull=False, only_missing=False)
    assert not outcome.succeeded
    assert outcome.says == (
        f"3 of 3 partitions failed. {first} to {last} have not landed: select raw/sfmc/journey_history and "
        "events/sfmc/journey_history together to load them."
    )


def test_standing_checks_that_are_selected_with_a_load_run_after_it_and_without_it(
    runner: Runner, assets: LoadAssets, sandbox: Sandbox
) -> None:
    (hour,) = hours_ago(9, 1)
    sandbox.faults.add(f"download:503#{hour.partition}")
    everything = runner.deployment.definitions.resolve_implicit_global_asset_job_def()
    done = everything.get_subset(asset_selection={assets.raw, assets.events}).execute_in_process(
        instance=runner.instance,
        partition_key=key_of(assets.partitions, hour),
        run_config={"ops": {assets.op_name: {"config": {"tries_later": 0}}}},
        raise_on_error=False,
    )
    started = [event.step_key for event in done.all_events if event.event_type_value == "STEP_START"]
    failed = [event.step_key for event in done.all_events if event.is_step_failure]
    assert (started[0], failed) == (assets.op_name, [assets.op_name])
    said = {check.check_name for check in done.get_asset_check_evaluations()}
    assert {"no_partition_is_missing", "no_partition_is_red", "landing_is_whole", "history_is_fresh"} <= said
