"""Open-ended deltas through Dagster: a range is one answer, one fills all gaps, and answers are compared."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from journey_pipeline.components.deployment import Deployment, load_deployment
from journey_pipeline.components.load_assets import LoadAssets
from journey_pipeline.components.runs import Runner
from journey_pipeline.components.translator import RANGE_END, RANGE_START, key_of
from journey_pipeline.lake.landing import read_landing
from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.plan import State, survey
from journey_pipeline.model import Granularity, Window, floor
from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline_tests.integration.recorded import checks, materialization
from journey_pipeline_tests.integration.truth import TODAY, ask, days_ago
from journey_pipeline_tests.projects import NOW, make_project

pytestmark = pytest.mark.slow(reason="days go through Dagster one by one")

ROUTE = "customer_journeys"


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A project with two accounts of a vendor whose answers overlap."""
    folder = make_project(tmp_path_factory.mktemp("deltas"), "layerfive", "layerfive_brand_b", package="deltas_shop")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield load_deployment(folder)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with serve(World(touchpoints_per_day=120, contacts=200), clock=SandboxClock(NOW)) as running:
        yield running


@pytest.fixture
def assets(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> LoadAssets:
    monkeypatch.setenv("LAYERFIVE_REQUESTS_PER_SECOND", "500")
    return deployment.streams("layerfive")[0]


def load(runner: Runner, assets: LoadAssets, days: list[Window], *, again: bool = False) -> None:
    outcome = runner.load(assets, days, pull=True, only_missing=not again)
    assert outcome.succeeded, outcome.says


def test_a_range_is_one_request_and_the_manifests_say_which_day_covers_the_others(
    runner: Runner, assets: LoadAssets, sandbox: Sandbox, lake: Lake, home: Path
) -> None:
    first, second, third = days_ago(5, 3)
    load(runner, assets, [first, second, third])
    assert sandbox.calls.count(ROUTE) == 1
    manifests = [read_landing(lake, assets.stream.key, day.partition) for day in (first, second, third)]
    assert all(manifests)
    assert [manifest.covered_by for manifest in manifests if manifest] == [None, first.partition, first.partition]
    assert [len(manifest.attempts) for manifest in manifests if manifest] == [1, 0, 0]
    for asset in (assets.raw, assets.events):
        recorded = materialization(runner, asset, key_of(assets.partitions, third))
        assert {name: value.value for name, value in recorded.items()} == {"covered_by": first.partition}
    assert len(runner.materialized(assets)) == 3
    states = survey(lake, assets.stream, Window(first.start, third.end), NOW).states
    assert set(states.values()) == {State.COMPLETE}
    runner.sync_warehouse()
    asked = Window(first.start - timedelta(days=1), third.end)
    ((events,),) = ask(home, "select count(*) from core.journey_events")
    assert events == sandbox.layerfive.count(asked)
    told = ask(home, "select partition_key, covered_by, events, window_start::varchar from ops.partitions order by all")
    assert told == [
        (first.partition, None, events, f"{first.partition} 00:00:00+00"),
        (second.partition, first.partition, 0, f"{second.partition} 00:00:00+00"),
        (third.partition, first.partition, 0, f"{third.partition} 00:00:00+00"),
    ]


def test_a_day_that_is_covered_can_be_asked_for_by_itself(
    runner: Runner, assets: LoadAssets, sandbox: Sandbox, lake: Lake
) -> None:
    first, second = days_ago(5, 2)
    load(runner, assets, [first, second])
    load(runner, assets, [second], again=True)
    assert sandbox.calls.count(ROUTE) == 2
    manifest = read_landing(lake, assets.stream.key, second.partition)
    assert manifest
    assert (len(manifest.attempts), manifest.covered_by) == (1, None)


@pytest.mark.parametrize("lost", [slice(1, 3), slice(0, 3)])
def test_days_whose_manifests_are_lacking_count_as_landed_and_are_whole_again_without_the_vendor(
    runner: Runner, assets: LoadAssets, sandbox: Sandbox, lake: Lake, lost: slice
) -> None:
    days = days_ago(5, 3)
    load(runner, assets, days)
    span, key = Window(days[0].start, days[2].end), assets.stream.key
    before = [read_landing(lake, key, day.partition) for day in days]
    for day in days[lost]:
        lake.landing_manifest(key, day.partition).unlink()
    assert set(survey(lake, assets.stream, span, NOW).windows(State.LANDED)) == set(days[lost])
    load(runner, assets, days[2:])
    load(runner, assets, days)
    assert sandbox.calls.count(ROUTE) == 1
    assert [read_landing(lake, key, day.partition) for day in days] == before
    assert survey(lake, assets.stream, span, NOW).windows(State.COMPLETE) == days


def test_a_home_of_an_earlier_version_is_whole_again_from_its_answers_alone(
    runner: Runner, assets: LoadAssets, sandbox: Sandbox, lake: Lake
) -> None:
    days = days_ago(5, 3)
    load(runner, assets, days)
    span, key = Window(days[0].start, days[2].end), assets.stream.key
    for manifest in (lake.home / "raw").rglob("manifest.json"):
        manifest.unlink()
    shutil.rmtree(lake.events_root)
    (note,) = (lake.home / "raw").rglob("attempt.json")
    said = json.loads(note.read_text())
    note.write_text(json.dumps({name: value for name, value in said.items() if name != "covers"}))
    assert survey(lake, assets.stream, span, NOW).windows(State.LANDED) == days
    load(runner, assets, days[1:])
    load(runner, assets, days)
    assert sandbox.calls.count(ROUTE) == 1
    manifests = [read_landing(lake, key, day.partition) for day in days]
    assert [manifest.covered_by for manifest in manifests if manifest] == [None, days[0].partition, days[0].partition]
    assert survey(lake, assets.stream, span, NOW).windows(State.COMPLETE) == days


def test_what_is_covered_is_not_asked_for_again(runner: Runner, assets: LoadAssets, sandbox: Sandbox) -> None:
    load(runner, assets, days_ago(5, 3))
    load(runner, assets, days_ago(5, 4))
    assert [call.query["event_date"] for call in sandbox.calls.to(ROUTE)] == [
        f"{days_ago(6, 1)[0].partition}",
        f"{days_ago(3, 1)[0].partition}",
    ]


def test_the_gap_filler_asks_once_from_the_oldest_missing_day(
    runner: Runner, assets: LoadAssets, sandbox: Sandbox
) -> None:
    load(runner, assets, days_ago(30, 1))
    load(runner, assets, days_ago(10, 2))
    repository = runner.deployment.definitions.get_repository_def()
    schedule = repository.get_schedule_def("layerfive__customer_journeys_gaps")
    at = TODAY + timedelta(hours=3)
    context = dg.build_schedule_context(
        instance=runner.instance, repository_def=repository, scheduled_execution_time=at
    )
    (asked,) = schedule.evaluate_tick(context).run_requests or ()
    retrievable = floor(at - assets.stream.retention, Granularity.DAY) + timedelta(days=1)
    assert asked.tags[RANGE_START] == f"{retrievable:%Y-%m-%d}"
    assert asked.tags[RANGE_END] == f"{TODAY - timedelta(days=1):%Y-%m-%d}"
    sandbox.calls.clear()
    load(runner, assets, days_ago(12, 12))  # the end of that range, with what has landed in its middle
    assert sandbox.calls.count(ROUTE) == 1


def test_once_a_week_all_that_the_vendor_keeps_is_asked_for_again_in_one_request(
    runner: Runner, assets: LoadAssets, sandbox: Sandbox, lake: Lake
) -> None:
    repository = runner.deployment.definitions.get_repository_def()
    schedule = repository.get_schedule_def("layerfive__customer_journeys_reach")
    context = dg.build_schedule_context(
        instance=runner.instance, repository_def=repository, scheduled_execution_time=TODAY + timedelta(hours=5)
    )
    (asked,) = schedule.evaluate_tick(context).run_requests or ()
    (oldest,) = days_ago(88, 1)
    assert asked.partition_key == oldest.partition
    assert asked.run_config["ops"] == {assets.op_name: {"config": {"only_missing": False}}}
    load(runner, assets, [oldest])
    load(runner, assets, [oldest], again=True)
    assert [call.query["event_date"] for call in sandbox.calls.to(ROUTE)] == [days_ago(89, 1)[0].partition] * 2
    landing = read_landing(lake, assets.stream.key, oldest.partition)
    assert landing
    assert len(landing.attempts) == 2


def test_the_newest_day_waits_two_hours(runner: Runner, assets: LoadAssets) -> None:
    repository = runner.deployment.definitions.get_repository_def()
    schedule = repository.get_schedule_def("layerfive__customer_journeys_newest")

    def tick(at: datetime) -> Any:
        context = dg.build_schedule_context(
            instance=runner.instance, repository_def=repository, scheduled_execution_time=at
        )
        return schedule.evaluate_tick(context)

    assert "2:00:00 after its end" in tick(TODAY + timedelta(minutes=90)).skip_message
    (asked,) = tick(TODAY + timedelta(minutes=150)).run_requests
    assert asked.partition_key == f"{TODAY - timedelta(days=1):%Y-%m-%d}"
    assert key_of(assets.partitions, days_ago(1, 1)[0]) == asked.partition_key


def test_an_answer_that_lacks_what_the_one_before_had_is_a_warning_with_their_number(
    runner: Runner, assets: LoadAssets, sandbox: Sandbox
) -> None:
    # Each is asked for three days after its end, so that the two answers have days in common.
    days = days_ago(8, 2)
    said = []
    for day in days:
        sandbox.clock.freeze(day.end + timedelta(days=3))
        if day == days[1]:
            sandbox.options.layerfive.taken_back_after_h = 1.0
        load(runner, assets, [day])
        said.append(checks(runner, assets, key_of(assets.partitions, day))["earlier_answer_is_repeated"])
    assert [given.passed for given in said] == [True, False]
    facts = {name: value.value for name, value in said[1].metadata.items()}
    assert 0 < facts["lacking"] < facts["shared"]
    assert said[1].severity is dg.AssetCheckSeverity.WARN


def test_two_accounts_live_side_by_side(
    runner: Runner, assets: LoadAssets, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve(World(seed=11, touchpoints_per_day=60, contacts=100), clock=SandboxClock(NOW)) as brand_b:
        for name, value in brand_b.environment().items():
            monkeypatch.setenv(name.replace("LAYERFIVE_", "LAYERFIVE_BRAND_B_"), value)
        (other,) = runner.deployment.streams("layerfive_brand_b")
        load(runner, assets, days_ago(2, 1))
        load(runner, other, days_ago(2, 1))
    runner.sync_warehouse()
    counts = dict(ask(home, "select connection, count(*) from core.journey_events group by 1"))
    assert set(counts) == {"layerfive", "layerfive_brand_b"}
    assert counts["layerfive"] > counts["layerfive_brand_b"] > 0
