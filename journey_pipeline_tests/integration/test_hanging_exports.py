"""Ticks of the sensor where a vendor hangs: what is left of them for the other exports, and when they end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from journey_pipeline.components.deployment import Deployment, load_deployment
from journey_pipeline.components.export_sensor import export_sensor
from journey_pipeline.components.load_assets import LoadAssets
from journey_pipeline.components.runs import Runner
from journey_pipeline.components.schedules import Ticks
from journey_pipeline.exports.database import open_ledger
from journey_pipeline.exports.export import Export
from journey_pipeline.exports.turns import listed
from journey_pipeline.loading.exports import Exports
from journey_pipeline.model import Window
from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline.settings import CLOCK_OFFSET_VARIABLE, ledger_url, utc_now
from journey_pipeline_tests.integration.truth import TODAY
from journey_pipeline_tests.projects import NOW, make_project

pytestmark = pytest.mark.slow(reason="days of exports go through Dagster")

# More than any answer of the sandbox takes, less than anybody minds.
SHORT_S = 2
PACKAGE = "hanging_shop"


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A project whose polls and orders may not last long."""
    folder = make_project(tmp_path_factory.mktemp("hanging"), "apsis", package=PACKAGE)
    configured = folder / PACKAGE / "defs" / "apsis" / "defs.yaml"
    bounds = f"poll_timeout_seconds: {SHORT_S}\n  order_timeout_seconds: {SHORT_S}"
    configured.write_text(configured.read_text().replace("overdue_after_hours: 0.02", bounds))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield load_deployment(folder)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with serve(World(rows_per_hour=5, contacts=50, steady=True), clock=SandboxClock(NOW)) as running:
        yield running


@pytest.fixture
def streams(deployment: Deployment, home: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, LoadAssets]:
    assert home.is_dir()
    monkeypatch.setenv("APSIS_REQUESTS_PER_SECOND", "500")
    return {assets.stream.key.stream: assets for assets in deployment.streams("apsis")}


def day_before(days: int) -> Window:
    start = TODAY - timedelta(days=days)
    return Window(start, start + timedelta(days=1))


def wanted(assets: LoadAssets, *days: int, ordered: bool) -> None:
    """Orders of days that lie apart, made at once or left for a tick."""
    with assets.open_exports() as exports:
        for day in days:
            list(exports.want(assets.stream, [day_before(day)]))
        if ordered:
            exports.move_due()


def minutes_pass(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, minutes: float) -> None:
    """For the vendor and for us."""
    offset_s = float(os.environ.get(CLOCK_OFFSET_VARIABLE) or 0) + minutes * 60
    monkeypatch.setenv(CLOCK_OFFSET_VARIABLE, str(offset_s))
    sandbox.clock.move(timedelta(minutes=minutes))


def tick(runner: Runner, sensor: dg.SensorDefinition | None = None) -> Any:
    repository = runner.deployment.definitions.get_repository_def()
    with dg.build_sensor_context(instance=runner.instance, repository_def=repository) as context:
        return (sensor or repository.get_sensor_def("apsis_exports")).evaluate_tick(context)


def exports() -> list[Export]:
    ledger = open_ledger(ledger_url())
    try:
        return sorted(listed(ledger, with_ended=True), key=lambda export: export.id)
    finally:
        ledger.close()


def test_a_poll_that_hangs_is_noted_and_the_others_are_polled_in_the_same_tick(
    runner: Runner, streams: dict[str, LoadAssets], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.options.apsis.pending_s = 60.0
    assets = streams["profile_events"]
    wanted(assets, 9, 7, 5, ordered=True)
    minutes_pass(sandbox, monkeypatch, 2)
    sandbox.calls.clear()
    # The second and the third answer; whatever is polled after them hangs too, so that the first is never ready.
    for rule in ("@1", "@4-"):
        sandbox.faults.add(f"apsis/profile_poll:slow_first_byte=60{rule}")
    landings = tick(runner).run_requests
    assert [call.fault for call in sandbox.calls.to("profile_poll")][:3] == ["slow_first_byte", None, None]
    (hanging,) = [export for export in exports() if export.error]
    assert "no answer within" in (hanging.error or "")  # of less than SHORT_S where a part of it is spent
    assert hanging.polled_at
    assert (str(hanging.state), hanging.last_status, hanging.due_at > hanging.polled_at) == ("pending", None, True)
    assert sorted(str(export.state) for export in exports()) == ["pending", "ready", "ready"]
    assert len(landings) == 2
    sandbox.faults.clear()
    minutes_pass(sandbox, monkeypatch, 1)
    assert len(tick(runner).run_requests) == 3


def test_an_order_that_hangs_is_unknown_and_the_others_are_ordered_and_polled_in_the_same_tick(
    runner: Runner, streams: dict[str, LoadAssets], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.options.apsis.pending_s = 60.0
    wanted(streams["profile_events"], 9, ordered=True)
    minutes_pass(sandbox, monkeypatch, 2)
    wanted(streams["profile_events"], 7, 5, ordered=False)
    sandbox.calls.clear()
    sandbox.faults.add("apsis/profile_order:slow_first_byte=60@1")
    assert len(tick(runner).run_requests) == 1
    assert [export.standing for export in exports()] == ["ready", "wanted: unanswered", "pending"]
    assert "no answer within" in (exports()[1].error or "")  # of less than SHORT_S where a part of it is spent
    assert [call.fault for call in sandbox.calls.to("profile_order")] == ["slow_first_byte", None]


def test_a_token_that_hangs_is_noted_of_each_export_and_the_tick_goes_on(
    runner: Runner, streams: dict[str, LoadAssets], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.options.apsis.pending_s = 60.0
    wanted(streams["profile_events"], 7, 5, ordered=True)
    minutes_pass(sandbox, monkeypatch, 2)
    sandbox.calls.clear()
    sandbox.faults.add("apsis/token:slow_first_byte=60@1")
    landings = tick(runner).run_requests
    assert [call.route for call in sandbox.calls][:3] == ["token", "token", "profile_poll"]
    assert len(landings) >= 1


def test_a_tick_begins_no_call_whose_end_it_might_not_see(
    runner: Runner, streams: dict[str, LoadAssets], sandbox: Sandbox
) -> None:
    sandbox.options.apsis.pending_s = 3600.0
    profiles = streams["profile_events"]
    wanted(profiles, 13, 11, 9, 7, 5, ordered=False)
    began_at = utc_now()

    def slow_exports() -> Exports:
        """By its clock every order and every poll takes twenty seconds."""

        def now() -> datetime:
            calls = sandbox.calls.count("profile_order") + sandbox.calls.count("profile_poll")
            return began_at + calls * timedelta(seconds=20)

        opened = profiles.open_exports()
        return replace(opened, queue=replace(opened.queue, now=now))

    sensor = export_sensor(
        "apsis",
        list(streams.values()),
        open_exports=slow_exports,
        poll_s=15,
        order_s=30,
        ticks=Ticks(are_on=False),
    )
    tick(runner, sensor)
    # A tick of 55 s has time for an order of 30 s at 0 and at 20 s, for a poll of 15 s at 40 s, for nothing at 60 s.
    routes = [call.route for call in sandbox.calls if call.route.startswith("profile_")]
    assert routes == ["profile_order", "profile_order", "profile_poll"]
