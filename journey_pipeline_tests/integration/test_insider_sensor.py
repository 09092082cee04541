"""The sensor of a vendor who calls back: it waits for the receiver, orders, and lands what was called for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from journey_pipeline.cli.receiver import receiving
from journey_pipeline.components.deployment import Deployment, load_deployment
from journey_pipeline.components.runs import Runner
from journey_pipeline.exports.export import Export
from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.plan import State, survey
from journey_pipeline.model import Window
from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.options import SandboxOptions
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline.settings import CLOCK_OFFSET_VARIABLE, utc_now
from journey_pipeline_tests.crash import daemon
from journey_pipeline_tests.integration.recorded import materialization
from journey_pipeline_tests.projects import NOW, make_project

pytestmark = pytest.mark.slow(reason="runs of Dagster, with a receiver beside them")

DAY = Window(datetime(2026, 11, 18, tzinfo=UTC), datetime(2026, 11, 19, tzinfo=UTC))
STREAM = "insider/user_events"
NO_RECEIVER = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = make_project(tmp_path_factory.mktemp("sensor"), "insider", package="sensor_shop", start=DAY.start)
    (definition,) = folder.rglob("defs/insider/defs.yaml")
    definition.write_text(definition.read_text().replace("check_receiver: false", "check_receiver: true"))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield load_deployment(folder)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    options = SandboxOptions(insider={"call_after_s": 0})
    with serve(World(rows_per_hour=10, steady=True), clock=SandboxClock(NOW), options=options) as running:
        yield running


def exports(runner: Runner) -> tuple[list[Export], list[Export]]:
    """Those under way, and those of them that need a person."""
    with runner.deployment.streams(STREAM)[0].open_exports() as opened:
        return opened.queue.under_way(), opened.queue.needing_a_person()


def time_passes(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, by: timedelta) -> None:
    monkeypatch.setenv(CLOCK_OFFSET_VARIABLE, str(float(os.environ[CLOCK_OFFSET_VARIABLE]) + by.total_seconds()))
    sandbox.clock.move(by)


def test_nothing_is_ordered_while_the_receiver_is_down_and_what_is_called_for_is_landed_by_the_sensor(
    runner: Runner, sandbox: Sandbox, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (assets,) = runner.deployment.streams(STREAM)
    definitions = runner.deployment.definitions
    monkeypatch.setenv("INSIDER_WEBHOOK_URL", NO_RECEIVER)
    runner.prepare(assets, [DAY])
    ((refused,), _) = exports(runner)
    assert refused.standing == "wanted: refused"
    assert refused.due_at - utc_now() <= timedelta(minutes=10)
    assert refused.due_at - utc_now() > timedelta(minutes=9)
    assert "journey-pipeline receiver" in str(refused.error)
    assert "tried again in ten minutes" in str(refused.error)
    daemon.tick(runner.instance, definitions, "insider_exports")
    assert exports(runner)[0][0].attempt == 1
    time_passes(sandbox, monkeypatch, timedelta(hours=7))
    found = daemon.tick(runner.instance, definitions, "insider_exports")
    ((refused,), stuck) = exports(runner)
    assert (refused.attempt, [one.id for one in stuck]) == (2, [refused.id])  # a person is told in the morning
    assert sandbox.calls.count("order") == 0
    time_passes(sandbox, monkeypatch, timedelta(minutes=11))
    with receiving() as hooks:
        monkeypatch.setenv("INSIDER_WEBHOOK_URL", hooks)
        while exports(runner)[0]:
            found = daemon.tick(runner.instance, definitions, "insider_exports", found.cursor)
    daemon.tick(runner.instance, definitions, "insider_exports", found.cursor)  # it shows what the last one did
    life = materialization(runner, assets.requests, "2026-11-18")
    assert life["state"].value == "landed"
    assert sandbox.calls.count("order") == 1
    assert survey(Lake(home), assets.stream, DAY, utc_now()).states == {DAY: State.COMPLETE}
