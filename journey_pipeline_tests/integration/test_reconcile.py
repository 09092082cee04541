"""What landed is asked for again, and what has drifted heals."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from journey_pipeline.components.load_assets import LoadAssets
from journey_pipeline.components.runs import Runner
from journey_pipeline.components.sweeps import drifted
from journey_pipeline.lake.documents import DriftReport, newest_report
from journey_pipeline.lake.layout import Lake
from journey_pipeline.model import Window
from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline.settings import utc_now
from journey_pipeline_tests.integration.conftest import ROWS_PER_HOUR
from journey_pipeline_tests.integration.truth import ask, hours_ago, truth, warehouse_rows
from journey_pipeline_tests.projects import NOW

pytestmark = pytest.mark.slow(reason="hours go through Dagster")


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A vendor with so many late rows that every two hours have some, whatever hours these are."""
    with serve(
        World(rows_per_hour=ROWS_PER_HOUR, contacts=500, steady=True, late_share=0.05), clock=SandboxClock(NOW)
    ) as running:
        yield running


def swept(runner: Runner, assets: LoadAssets, lake: Lake) -> DriftReport:
    outcome = runner.sweep(assets)
    assert outcome.succeeded, outcome.says
    report = newest_report(lake, assets.stream.key, now=utc_now())
    assert report is not None
    return report


def load_early(runner: Runner, assets: LoadAssets, sandbox: Sandbox, hours: list[Window]) -> None:
    """Loads hours as the vendor shows them just after they ended: some rows are not there yet."""
    now = sandbox.clock.now()
    sandbox.clock.freeze(hours[-1].end)
    runner.load(assets, hours, pull=True, only_missing=True)
    sandbox.clock.freeze(now)


def test_late_rows_that_appear_afterwards_are_in_the_warehouse_after_the_sweep(
    runner: Runner, assets: LoadAssets, sandbox: Sandbox, home: Path, lake: Lake
) -> None:
    hours = hours_ago(50, 2)
    load_early(runner, assets, sandbox, hours)
    report = swept(runner, assets, lake)
    assert {finding.kind for finding in report.findings} == {"count"}
    windows = drifted(lake, assets, report)
    assert hours[1] in windows
    runner.load(assets, windows, pull=True, only_missing=False)
    runner.sync_warehouse()
    assert warehouse_rows(home) == truth(sandbox, hours)
    assert drifted(lake, assets, report) == []
    healed = ask(home, "select partition_key, kind, healed_at > swept_at from ops.drift order by 1")
    assert healed == [(finding.partition, "count", True) for finding in report.findings]
    ((day, late),) = ask(home, "select sum(events), max(share_after_1h) from ops.lateness")
    assert day == len(truth(sandbox, hours))
    assert 0 < late < 1


def test_a_changed_row_behind_an_equal_count_is_found_by_its_content(
    runner: Runner, assets: LoadAssets, sandbox: Sandbox, lake: Lake
) -> None:
    hours = hours_ago(80, 3)
    runner.load(assets, hours, pull=True, only_missing=True)
    assert swept(runner, assets, lake).findings == ()
    sandbox.options.sfmc.mutate = True
    report = swept(runner, assets, lake)
    assert {finding.kind for finding in report.findings} == {"content"}
    assert report.compared == 3


def test_a_sweep_changes_nothing_in_the_landing(
    runner: Runner, assets: LoadAssets, sandbox: Sandbox, lake: Lake
) -> None:
    load_early(runner, assets, sandbox, hours_ago(50, 1))
    before = {path: path.stat().st_mtime_ns for path in (lake.home / "raw").rglob("*") if path.is_file()}
    swept(runner, assets, lake)
    assert before == {path: path.stat().st_mtime_ns for path in (lake.home / "raw").rglob("*") if path.is_file()}
    assert list(lake.work_dir.iterdir()) == []


def test_the_sensor_asks_once_for_what_drifted(
    runner: Runner, assets: LoadAssets, sandbox: Sandbox, lake: Lake
) -> None:
    load_early(runner, assets, sandbox, hours_ago(50, 1))
    swept(runner, assets, lake)
    repository = runner.deployment.definitions.get_repository_def()
    sensor = repository.get_sensor_def("sfmc__journey_history_reconciliation_pulls")
    context = dg.build_sensor_context(instance=runner.instance, repository_def=repository)
    first, second = sensor.evaluate_tick(context), sensor.evaluate_tick(context)
    (asked,), (again,) = first.run_requests, second.run_requests
    assert asked.run_key == again.run_key
    assert asked.run_config["ops"]["sfmc__journey_history"]["config"]["only_missing"] is False
    runner.load(assets, hours_ago(50, 1), pull=True, only_missing=False)
    assert sensor.evaluate_tick(context).run_requests == []


def test_only_settled_hours_that_the_vendor_still_keeps_are_asked(
    runner: Runner, assets: LoadAssets, sandbox: Sandbox, lake: Lake
) -> None:
    runner.load(assets, [*hours_ago(2, 1)], pull=True, only_missing=True)
    runner.load(assets, [*hours_ago(20, 1)], pull=True, only_missing=True)
    sandbox.calls.clear()
    assert swept(runner, assets, lake).asked == 1
    assert sandbox.calls.count("estimate") == 1


def test_an_hour_that_is_half_expired_when_it_is_asked_again_loses_nothing(
    runner: Runner, assets: LoadAssets, sandbox: Sandbox, home: Path
) -> None:
    hours = hours_ago(40, 1)  # the latest of its rows are known by now
    runner.load(assets, hours, pull=True, only_missing=True)
    whole = truth(sandbox, hours)
    sandbox.clock.move(timedelta(days=30) - timedelta(hours=39, minutes=30))
    sandbox.options.sfmc.expires_in_s = 100 * 24 * 3600
    assert runner.load(assets, hours, pull=True, only_missing=False).succeeded
    runner.sync_warehouse()
    assert warehouse_rows(home) == whole


@pytest.mark.parametrize("fault", ["estimate:500", "estimate:429_long"])
def test_a_partition_that_can_not_be_asked_is_named_and_not_called_drifted(
    runner: Runner, assets: LoadAssets, sandbox: Sandbox, lake: Lake, fault: str
) -> None:
    (hour,) = hours_ago(30, 1)
    runner.load(assets, [hour], pull=True, only_missing=True)
    sandbox.faults.add(fault)
    report = swept(runner, assets, lake)
    assert list(report.failed) == [hour.partition]
    assert report.findings == ()
    check = of_sweep(runner)
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert hour.partition in (check.description or "")


def test_a_sweep_that_could_ask_only_some_warns(
    runner: Runner, assets: LoadAssets, sandbox: Sandbox, lake: Lake
) -> None:
    hours = hours_ago(30, 2)
    runner.load(assets, hours, pull=True, only_missing=True)
    swept(runner, assets, lake)
    assert of_sweep(runner).passed
    sandbox.faults.add(f"estimate:500#{hours[0].partition}")
    swept(runner, assets, lake)
    check = of_sweep(runner)
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "1 of 2" in (check.description or "")


def of_sweep(runner: Runner) -> dg.AssetCheckEvaluation:
    """What the check of the last sweep said."""
    key = dg.AssetCheckKey(dg.AssetKey(["reconciliation", "sfmc", "journey_history"]), "every_partition_was_asked")
    record = runner.instance.event_log_storage.get_latest_asset_check_execution_by_key([key])[key]
    assert record.event is not None
    assert record.event.dagster_event is not None
    return record.event.dagster_event.asset_check_evaluation_data
