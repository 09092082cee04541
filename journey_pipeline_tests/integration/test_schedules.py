"""What the schedules ask for, and why they don't."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill

from journey_pipeline.components.instance import accepted_previews
from journey_pipeline.components.load_assets import LoadAssets
from journey_pipeline.components.runs import Runner
from journey_pipeline.components.standing_checks import COMPLETENESS
from journey_pipeline.components.translator import RANGE_END, RANGE_START, key_of, window_of
from journey_pipeline.model import Granularity, Window, floor
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline_tests.projects import NOW

pytestmark = pytest.mark.slow(reason="schedules and sensors tick in Dagster")


@pytest.fixture
def hour_end() -> datetime:
    """When the present hour began."""
    return floor(NOW, Granularity.HOUR)


def tick(runner: Runner, name: str, at: datetime) -> Any:
    repository = runner.deployment.definitions.get_repository_def()
    schedule = repository.get_schedule_def(f"sfmc__journey_history_{name}")
    context = dg.build_schedule_context(
        instance=runner.instance, repository_def=repository, scheduled_execution_time=at
    )
    return schedule.evaluate_tick(context)


def asked(assets: LoadAssets, data: Any) -> list[Window]:
    windows = []
    for request in data.run_requests:
        first = request.tags.get(RANGE_START) or request.partition_key
        last = request.tags.get(RANGE_END) or request.partition_key
        keys = assets.partitions.get_partition_keys_in_range(dg.PartitionKeyRange(first, last))
        windows += [window_of(assets.partitions, key) for key in keys]
    return windows


def test_the_newest_hour_waits_until_the_vendors_history_has_passed_it(
    runner: Runner, assets: LoadAssets, sandbox: Sandbox, hour_end: datetime
) -> None:
    sandbox.options.sfmc.freshness_s = 1200
    early = tick(runner, "newest", hour_end + timedelta(minutes=10))
    assert early.run_requests == []
    assert "not complete yet" in early.skip_message
    assert "0:20:00" in early.skip_message
    (hour,) = asked(assets, tick(runner, "newest", hour_end + timedelta(minutes=26)))
    assert hour.end == hour_end


@pytest.mark.parametrize("status", [404, 503])
def test_a_fixed_lag_is_taken_where_the_vendor_can_not_say(
    runner: Runner, assets: LoadAssets, sandbox: Sandbox, status: Any, hour_end: datetime
) -> None:
    sandbox.options.sfmc.freshness_status = status
    skipped = tick(runner, "newest", hour_end + timedelta(minutes=50))
    assert "2:00:00 is taken" in skipped.skip_message
    assert asked(assets, tick(runner, "gaps", hour_end + timedelta(minutes=50)))


def test_an_hour_that_has_landed_is_not_asked_for(runner: Runner, assets: LoadAssets, hour_end: datetime) -> None:
    runner.load(assets, [Window(hour_end - timedelta(hours=1), hour_end)], pull=True, only_missing=True)
    assert "landed already" in tick(runner, "newest", hour_end + timedelta(minutes=50)).skip_message


def test_gaps_are_asked_for_oldest_first_and_bounded(runner: Runner, assets: LoadAssets, hour_end: datetime) -> None:
    at = hour_end + timedelta(minutes=40)
    windows = asked(assets, tick(runner, "gaps", at))
    assert len(windows) == 48
    assert windows == sorted(windows)
    assert timedelta(0) <= windows[0].start - (at - assets.stream.retention) < timedelta(hours=1)


def test_what_has_landed_leaves_a_hole_in_what_is_asked_for(
    runner: Runner, assets: LoadAssets, hour_end: datetime
) -> None:
    at = hour_end + timedelta(minutes=40)
    there = asked(assets, tick(runner, "gaps", at))[2:4]
    runner.load(assets, there, pull=True, only_missing=True)
    data = tick(runner, "gaps", at)
    assert len(data.run_requests) == 2
    assert not set(there) & set(asked(assets, data))


@pytest.mark.parametrize("how", ["partition", "range", "scheduled"])
def test_what_is_queued_or_running_is_not_asked_for_twice(
    runner: Runner, assets: LoadAssets, how: str, hour_end: datetime
) -> None:
    at = hour_end + timedelta(minutes=40)
    first, *_, last = asked(assets, tick(runner, "gaps", at))[:10]
    keys = key_of(assets.partitions, first), key_of(assets.partitions, last)
    tags = {"dagster/partition": keys[0]} if how == "partition" else {RANGE_START: keys[0], RANGE_END: keys[1]}
    definitions = runner.deployment.definitions
    if how == "scheduled":
        run = runner.instance.create_run_for_job(job_def=definitions.resolve_job_def(assets.job_name), tags=tags)
    else:
        chosen = frozenset({assets.raw, assets.events})
        everything = definitions.resolve_implicit_global_asset_job_def()
        run = runner.instance.create_run_for_job(job_def=everything, tags=tags, asset_selection=chosen)
    runner.instance.report_run_canceling(run)
    again = asked(assets, tick(runner, "gaps", at))
    assert first not in again
    assert (last in again) == (how == "partition")


# Dagster's own, while it makes a backfill.
@pytest.mark.filterwarnings("ignore:Function `AssetSelection.sources`:DeprecationWarning")
def test_what_waits_in_a_backfill_is_not_asked_for_twice(
    runner: Runner, assets: LoadAssets, hour_end: datetime
) -> None:
    at = hour_end + timedelta(minutes=40)
    waiting = asked(assets, tick(runner, "gaps", at))[:5]
    with accepted_previews():
        graph = runner.deployment.definitions.get_repository_def().asset_graph
    runner.instance.add_backfill(
        PartitionBackfill.from_asset_partitions(
            backfill_id="waiting",
            asset_graph=graph,
            partition_names=[key_of(assets.partitions, window) for window in waiting],
            asset_selection=[assets.raw, assets.events],
            backfill_timestamp=datetime.now(UTC).timestamp(),
            tags={},
            dynamic_partitions_store=runner.instance,
            all_partitions=False,
            title=None,
            description=None,
            run_config=None,
        )
    )
    assert runner.instance.get_backfills()[0].status is BulkActionStatus.REQUESTED
    assert not set(waiting) & set(asked(assets, tick(runner, "gaps", at)))


def test_an_hour_that_is_too_new_is_left_to_the_next_tick(runner: Runner, sandbox: Sandbox, hour_end: datetime) -> None:
    sandbox.options.sfmc.freshness_s = 40 * 24 * 3600
    data = tick(runner, "gaps", hour_end + timedelta(minutes=40))
    assert data.run_requests == []
    assert "too new" in data.skip_message


def test_the_standing_check_names_what_is_missing_and_how_long_the_vendor_keeps_it(runner: Runner) -> None:
    job = runner.deployment.definitions.resolve_job_def("sfmc__journey_history_completeness")
    done = job.execute_in_process(instance=runner.instance)
    (evaluation,) = done.get_asset_check_evaluations()
    assert evaluation.check_name == COMPLETENESS.name
    assert not evaluation.passed
    assert evaluation.severity is dg.AssetCheckSeverity.ERROR
    figures = {name: value.value for name, value in evaluation.metadata.items()}
    assert isinstance(figures["missing"], int)
    assert figures["missing"] > 600
    assert "The vendor deletes the oldest in" in (evaluation.description or "")
