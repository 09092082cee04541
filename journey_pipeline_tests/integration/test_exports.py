"""Exports through Dagster: orders, the sensor's ticks, the runs that it starts, schedules, the check, the terminal."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from click.testing import CliRunner
from dagster._core.test_utils import freeze_time

from journey_pipeline.cli.commands import exports
from journey_pipeline.components.deployment import Deployment, load_deployment
from journey_pipeline.components.export_assets import DATA_VERSION
from journey_pipeline.components.load_assets import LoadAssets
from journey_pipeline.components.runs import Runner
from journey_pipeline.components.translator import RANGE_END, RANGE_START, key_of, window_of
from journey_pipeline.exports.turns import listed
from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.plan import State, survey
from journey_pipeline.model import Window
from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline.settings import CLOCK_OFFSET_VARIABLE
from journey_pipeline_tests.crash.commands import CommandServer, Request
from journey_pipeline_tests.integration.recorded import checks, data_versions, materialization, observation
from journey_pipeline_tests.integration.truth import TODAY, ask, days_ago, hours_ago
from journey_pipeline_tests.projects import NOW, make_project

pytestmark = pytest.mark.slow(reason="days of exports go through Dagster")

CHECK = "no_export_needs_a_person"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("exports"), "apsis", "sfmc", package="exports_shop")


@pytest.fixture(scope="module")
def deployment(shop: Path) -> Iterator[Deployment]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(shop)
        yield load_deployment(shop)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with serve(World(rows_per_hour=20, contacts=100, steady=True), clock=SandboxClock(NOW)) as running:
        yield running


@pytest.fixture
def streams(deployment: Deployment, home: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, LoadAssets]:
    assert home.is_dir()
    monkeypatch.setenv("APSIS_REQUESTS_PER_SECOND", "500")
    return {assets.stream.key.stream: assets for assets in deployment.streams("apsis")}


@pytest.fixture
def assets(streams: dict[str, LoadAssets]) -> LoadAssets:
    return streams["profile_events"]


def minutes_pass(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, minutes: float) -> None:
    """For the vendor and for us."""
    offset_s = float(os.environ.get(CLOCK_OFFSET_VARIABLE) or 0) + minutes * 60
    monkeypatch.setenv(CLOCK_OFFSET_VARIABLE, str(offset_s))
    sandbox.clock.move(timedelta(minutes=minutes))


def started(runner: Runner, asked: dg.RunRequest, job_name: str | None = None) -> dg.ExecuteInProcessResult:
    """The run that the daemon would start."""
    job = runner.deployment.definitions.resolve_job_def(asked.job_name or job_name or "")
    return job.execute_in_process(
        instance=runner.instance,
        partition_key=asked.partition_key,
        run_config=asked.run_config,
        tags=dict(asked.tags),
        raise_on_error=False,
    )


def order(runner: Runner, assets: LoadAssets, *days: Window) -> dg.ExecuteInProcessResult:
    first, last = (key_of(assets.partitions, day) for day in (days[0], days[-1]))
    return started(runner, dg.RunRequest(tags={RANGE_START: first, RANGE_END: last}), assets.request_job_name)


def tick(runner: Runner, cursor: str | None = None) -> Any:
    """One of the daemon's, with what it records."""
    repository = runner.deployment.definitions.get_repository_def()
    with dg.build_sensor_context(instance=runner.instance, repository_def=repository, cursor=cursor) as context:
        data = repository.get_sensor_def("apsis_exports").evaluate_tick(context)
    for event in data.asset_events:
        runner.instance.report_runless_asset_event(event)
    return data


def scheduled(runner: Runner, name: str, at: datetime) -> Any:
    repository = runner.deployment.definitions.get_repository_def()
    context = dg.build_schedule_context(
        instance=runner.instance, repository_def=repository, scheduled_execution_time=at
    )
    return repository.get_schedule_def(f"apsis__profile_events_{name}").evaluate_tick(context)


def asked_for(assets: LoadAssets, data: Any) -> list[Window]:
    windows = []
    for request in data.run_requests:
        first = request.tags.get(RANGE_START) or request.partition_key
        last = request.tags.get(RANGE_END) or request.partition_key
        keys = assets.partitions.get_partition_keys_in_range(dg.PartitionKeyRange(first, last))
        windows += [window_of(assets.partitions, key) for key in keys]
    return windows


def test_a_request_orders_one_export_for_a_range_and_records_it_for_each_day(
    runner: Runner, assets: LoadAssets, sandbox: Sandbox
) -> None:
    two = days_ago(5, 2)
    assert order(runner, assets, *two).success
    assert sandbox.calls.count("profile_order") == 1
    for day in two:
        recorded = observation(runner, assets.requests, key_of(assets.partitions, day))
        assert recorded["state"].value in {"pending", "ready"}
        assert (recorded["export"].value, recorded["attempt"].value) == (1, 1)
        assert recorded["requested_at"].value > 0
    assert not any("http" in str(value.value) for value in recorded.values())
    assert order(runner, assets, *two).success
    assert sandbox.calls.count("profile_order") == 1


def test_a_day_that_the_vendor_no_longer_keeps_is_not_ordered(
    runner: Runner, assets: LoadAssets, sandbox: Sandbox
) -> None:
    assert not order(runner, assets, *days_ago(100, 2)).success
    assert sandbox.calls.count("profile_order") == 0


def test_a_day_that_expires_while_its_run_waits_is_left_out_of_the_order(
    runner: Runner, assets: LoadAssets, sandbox: Sandbox
) -> None:
    gone, kept = days_ago(89, 2)
    with freeze_time(NOW - timedelta(days=1)):  # when the run is asked for
        assert order(runner, assets, gone, kept).success
    assert sandbox.calls.count("profile_order") == 1
    with assets.open_exports() as exports:
        ordered = exports.queue.current(assets.stream.key, kept)
        assert ordered is not None
        assert ordered.window == kept


def test_the_sensor_polls_and_starts_one_run_that_lands_and_records_the_exports_life(
    runner: Runner, assets: LoadAssets, sandbox: Sandbox, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.options.apsis.pending_s = 1800.0
    assert tick(runner).skip_message == "no export is under way"
    days = days_ago(5, 2)
    order(runner, assets, *days)
    minutes_pass(sandbox, monkeypatch, 1)
    waiting = tick(runner)
    assert waiting.run_requests == []
    assert "1 pending; the next call is due at" in waiting.skip_message
    minutes_pass(sandbox, monkeypatch, 30)
    (asked,) = tick(runner).run_requests
    assert asked.job_name == assets.job_name
    assert [request.run_key for request in tick(runner).run_requests] == [asked.run_key]
    done = started(runner, asked)
    assert done.success, done.all_events
    assert sandbox.calls.count("profile_order") == 1
    lake = Lake(home)
    states = survey(lake, assets.stream, Window(days[0].start, days[-1].end), NOW).states
    assert set(states.values()) == {State.COMPLETE}
    keys = [key_of(assets.partitions, day) for day in days]
    assert {check.passed for check in checks(runner, assets, keys[0]).values()} == {True}
    assert materialization(runner, assets.raw, keys[1])["covered_by"].value == days[0].partition
    (life,) = materialization(runner, assets.raw, keys[0])["exports"].value.records
    assert life.data["polls"] >= 2
    assert life.data["requested"] < life.data["ready"] <= life.data["landed"]
    assert tick(runner).skip_message == "no export is under way"
    runner.sync_warehouse()
    whole = Window(days[0].start, days[-1].end)
    truth = list(sandbox.apsis.profile_truth(whole, sandbox.clock.now()))
    assert ask(home, "select count(*) from core.journey_events") == [(len(truth),)]


def test_the_life_of_an_order_stands_with_its_request_at_every_turn(
    runner: Runner, assets: LoadAssets, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.options.apsis.pending_s = 1800.0
    days = days_ago(5, 2)
    keys = [key_of(assets.partitions, day) for day in days]
    order(runner, assets, *days)
    minutes_pass(sandbox, monkeypatch, 1)
    cursor = tick(runner).cursor
    assert observation(runner, assets.requests, keys[0])["state"].value == "pending"
    assert tick(runner, cursor).asset_events == []
    minutes_pass(sandbox, monkeypatch, 30)
    ready = tick(runner, cursor)
    assert observation(runner, assets.requests, keys[1])["state"].value == "ready"
    assert started(runner, ready.run_requests[0]).success
    tick(runner, ready.cursor)
    for key in keys:
        told = materialization(runner, assets.requests, key)
        assert told["state"].value == "landed"
        assert told["requested_at"].value < told["ready_at"].value <= told["landed_at"].value
        assert told["polls"].value >= 2
        assert "due_at" not in told
        assert data_versions(runner, assets.requests, key) == [DATA_VERSION]  # so that what landed looks up to date
    same = materialization(runner, assets.raw, keys[0])
    assert same["requested_at"].value < same["ready_at"].value <= same["landed_at"].value
    assert same["polls"].value == told["polls"].value


def test_a_split_order_shows_each_part_with_what_it_was_asked_for(
    runner: Runner, streams: dict[str, LoadAssets], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    emails = streams["email_events"]
    (day,) = days_ago(5)
    sandbox.options.apsis.pending_s = 0.0
    sandbox.options.apsis.most_events = sum(1 for _ in sandbox.apsis.email_truth(day, sandbox.clock.now())) // 2
    order(runner, emails, day)
    while not (found := tick(runner).run_requests):
        minutes_pass(sandbox, monkeypatch, 1)
    assert started(runner, found[0]).success
    tick(runner)
    key = key_of(emails.partitions, day)
    ordered = materialization(runner, emails.requests, key)["exports"].value.records
    landed = materialization(runner, emails.raw, key)["exports"].value.records
    assert len(landed) > 2
    for record in (*ordered, *landed):
        assert record.data["requested"] <= record.data["ready"] <= record.data["landed"]
    told_apart = [(record.data["window"], record.data["asked_for"]) for record in ordered]
    assert len(set(told_apart)) == len(told_apart)
    assert {section for _, section in told_apart} == {"main-x1", "loyalty-x2"}
    assert [(record.data["window"], record.data["asked_for"]) for record in landed] == told_apart


def test_an_order_of_the_terminal_is_recorded_as_one(runner: Runner, assets: LoadAssets, sandbox: Sandbox) -> None:
    sandbox.options.apsis.pending_s = 0.0
    (day,) = days_ago(5)
    assert runner.load(assets, [day], pull=True, only_missing=True).succeeded
    tick(runner)
    told = materialization(runner, assets.requests, key_of(assets.partitions, day))
    assert told["state"].value == "landed"
    assert told["requested_at"].value <= told["ready_at"].value <= told["landed_at"].value


def test_an_export_that_the_vendor_broke_says_so_and_when_it_is_ordered_again(
    runner: Runner, assets: LoadAssets, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.options.apsis.pending_s = 0.0
    sandbox.faults.add("apsis/profile_order:fail_export@1")
    (day,) = days_ago(5)
    order(runner, assets, day)
    minutes_pass(sandbox, monkeypatch, 1)
    tick(runner)
    told = observation(runner, assets.requests, key_of(assets.partitions, day))
    assert (told["state"].value, told["reason"].value, told["failures"].value) == ("wanted", "failed", 1)
    assert "503" in told["error"].value
    assert told["due_at"].value > told["requested_at"].value


def test_an_export_that_is_still_ready_after_an_hour_is_started_again(
    runner: Runner, assets: LoadAssets, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.options.apsis.pending_s = 0.0
    order(runner, assets, *days_ago(5))
    minutes_pass(sandbox, monkeypatch, 1)
    keys = []
    for _ in range(3):
        keys += [asked.run_key for asked in tick(runner).run_requests]
        minutes_pass(sandbox, monkeypatch, 45)
    assert keys[0] != keys[2]
    assert len(set(keys)) == 2


def test_a_bad_export_stops_none_of_the_others_and_needs_a_person(
    runner: Runner, streams: dict[str, LoadAssets], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.options.apsis.pending_s = 0.0
    sandbox.faults.add("apsis/profile_order:html_200@1")
    for assets in streams.values():
        order(runner, assets, *days_ago(5))
    cursor, asked = None, {}
    for _ in range(4):
        minutes_pass(sandbox, monkeypatch, 1)
        ticked = tick(runner, cursor)
        cursor = ticked.cursor
        asked |= {request.run_key: request for request in ticked.run_requests}
    check, ready = sorted(asked.values(), key=lambda request: str(request.job_name), reverse=True)
    assert check.job_name == f"{streams['profile_events'].op_name}_exports_check"
    assert ready.job_name == streams["email_events"].job_name
    assert started(runner, ready).success
    for name, passed in (("profile_events", False), ("email_events", True)):
        job = runner.deployment.definitions.resolve_job_def(f"{streams[name].op_name}_exports_check")
        (evaluation,) = job.execute_in_process(instance=runner.instance).get_asset_check_evaluations()
        assert (evaluation.check_name, evaluation.passed) == (CHECK, passed)
        assert ("no export has stopped" if passed else "stopped") in (evaluation.description or "")
    assert "1 stopped: rejected; none will go on by itself" in tick(runner, cursor).skip_message


def test_an_order_that_a_person_gives_up_is_ordered_anew(runner: Runner, assets: LoadAssets) -> None:
    order(runner, assets, *days_ago(5))
    done = CliRunner().invoke(exports, ["--give-up", "1"])
    assert (done.exit_code, done.exception) == (0, None)
    order(runner, assets, *days_ago(5))
    with assets.open_exports() as opened:
        states = [(export.id, str(export.state)) for export in listed(opened.queue.ledger, with_ended=True)]
    assert states == [(1, "replaced"), (2, "pending")]


def test_a_landing_asked_for_before_its_export_is_ready_says_so_and_lands_later(
    runner: Runner, assets: LoadAssets, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.options.apsis.pending_s = 1800.0
    (day,) = days_ago(5)
    config = {"ops": {assets.op_name: {"config": {"tries_later": 0}}}}
    asked = dg.RunRequest(job_name=assets.job_name, partition_key=key_of(assets.partitions, day), run_config=config)
    failed = started(runner, asked)
    assert not failed.success
    assert "is not ready" in str([event.step_failure_data for event in failed.all_events if event.is_step_failure])
    minutes_pass(sandbox, monkeypatch, 31)
    (later,) = tick(runner).run_requests
    assert started(runner, later).success
    assert sandbox.calls.count("profile_order") == 1


def test_the_newest_day_is_ordered_with_the_days_before_it(runner: Runner, assets: LoadAssets) -> None:
    data = scheduled(runner, "newest", TODAY + timedelta(minutes=90))
    assert asked_for(assets, data) == days_ago(4, 4)
    assert [request.run_key for request in data.run_requests] == [days_ago(1)[0].partition]


def test_gaps_are_ordered_oldest_first_without_what_is_under_way_or_has_landed(
    runner: Runner, assets: LoadAssets, sandbox: Sandbox
) -> None:
    at = TODAY + timedelta(minutes=40)
    missing = asked_for(assets, scheduled(runner, "gaps", at))
    assert missing == sorted(missing)
    sandbox.options.apsis.pending_s = 0.0
    assert runner.load(assets, missing[:1], pull=True, only_missing=True).succeeded
    sandbox.options.apsis.pending_s = 1800.0
    order(runner, assets, *missing[2:4])
    again = asked_for(assets, scheduled(runner, "gaps", at))
    assert not {missing[0], *missing[2:4]} & set(again)
    assert missing[1] in again


def test_what_has_landed_without_events_is_finished_without_the_vendor(
    runner: Runner, assets: LoadAssets, sandbox: Sandbox, home: Path
) -> None:
    sandbox.options.apsis.pending_s = 0.0
    (day,) = days_ago(5)
    at = TODAY + timedelta(minutes=40)
    assert runner.load(assets, [day], pull=True, only_missing=True).succeeded
    assert "has events" in scheduled(runner, "unfinished", at).skip_message
    for file in (home / "events").rglob("*"):
        if file.is_file():
            file.unlink()
    assert day not in asked_for(assets, scheduled(runner, "gaps", at))
    sandbox.calls.clear()
    (asked,) = scheduled(runner, "unfinished", at).run_requests
    assert started(runner, asked, assets.job_name).success
    assert len(sandbox.calls) == 0
    assert "has events" in scheduled(runner, "unfinished", at).skip_message


def test_a_missing_variable_breaks_this_connection_alone(
    runner: Runner, assets: LoadAssets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("APSIS_CLIENT_SECRET")
    assert "APSIS_CLIENT_SECRET not set" in tick(runner).skip_message
    assert not order(runner, assets, *days_ago(5)).success
    outcome = runner.load(assets, days_ago(5), pull=True, only_missing=True)
    assert "APSIS_CLIENT_SECRET" in outcome.says
    (other,) = runner.deployment.streams("sfmc")
    assert runner.load(other, hours_ago(6, 1), pull=True, only_missing=True).succeeded


def test_a_backfill_in_a_terminal_does_all_of_it_by_itself(
    streams: dict[str, LoadAssets], shop: Path, sandbox: Sandbox, home: Path, command_server: CommandServer
) -> None:
    sandbox.options.apsis.pending_s = 0.5
    days = days_ago(5, 2)
    whole = Window(days[0].start, days[-1].end)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(shop),
        "COLUMNS": "300",
        "JOURNEY_PIPELINE_HOME": str(home),
        "APSIS_REQUESTS_PER_SECOND": "500",
        CLOCK_OFFSET_VARIABLE: os.environ[CLOCK_OFFSET_VARIABLE],
        **sandbox.environment(),
    }
    arguments = ("backfill", "apsis", "--from", days[0].partition, "--to", f"{whole.end:%Y-%m-%d}")
    ended = command_server.run(Request(arguments, environment, shop))
    assert ended.code == 0, ended.err
    lake = Lake(home)
    for assets in streams.values():
        assert set(survey(lake, assets.stream, whole, NOW).states.values()) == {State.COMPLETE}
    counts = dict(ask(home, "select stream, count(*) from core.journey_events group by all"))
    now = sandbox.clock.now()
    assert counts == {
        "profile_events": sum(1 for _ in sandbox.apsis.profile_truth(whole, now)),
        "email_events": sum(1 for _ in sandbox.apsis.email_truth(whole, now)),
    }
    sandbox.calls.clear()
    assert command_server.run(Request(arguments, environment, shop)).code == 0
    assert sandbox.calls.count("profile_order") == sandbox.calls.count("email_order") == 0
