"""Two accounts at the same vendor live side by side in every layer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from journey_pipeline.components.runs import Runner
from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline_tests.integration.truth import ask, hours_ago
from journey_pipeline_tests.projects import NOW

pytestmark = pytest.mark.slow(reason="hours go through Dagster")


@pytest.fixture
def brand_b(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """Another account, with another history."""
    assert home.is_dir()
    with serve(World(seed=11, rows_per_hour=80, contacts=100, steady=True), clock=SandboxClock(NOW)) as running:
        for name, value in running.environment().items():
            monkeypatch.setenv(name.replace("SFMC_", "SFMC_BRAND_B_"), value)
        yield running


def test_each_account_has_its_own_events_and_neither_touches_the_other(
    runner: Runner, sandbox: Sandbox, brand_b: Sandbox, home: Path
) -> None:
    hours = hours_ago(6, 2)
    for name in ("sfmc", "sfmc_brand_b"):
        (assets,) = runner.deployment.streams(name)
        assert runner.load(assets, hours, pull=True, only_missing=True).succeeded
        pulled = runner.pull_dimensions(name)
        assert pulled is not None
        assert pulled.succeeded
    runner.sync_warehouse()
    counts = dict(ask(home, "select connection, count(*) from core.journey_events group by 1"))
    assert counts == {
        "sfmc": sum(sandbox.sfmc.count(hour, visible_at=sandbox.clock.now()) for hour in hours),
        "sfmc_brand_b": sum(brand_b.sfmc.count(hour, visible_at=brand_b.clock.now()) for hour in hours),
    }
    for layer in ("raw", "events", "dimensions"):
        assert {path.name for path in (home / layer).iterdir()} == {"sfmc", "sfmc_brand_b"}
    assert ask(home, "select count(distinct connection) from core.journeys") == [(2,)]
    assert ask(home, "select count(distinct connection) from marts.journey_daily") == [(2,)]
    assert ask(home, "select count(distinct connection) from ops.partitions") == [(2,)]


def test_an_account_without_its_variables_does_not_stop_the_other(
    runner: Runner, brand_b: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert brand_b.url
    monkeypatch.delenv("SFMC_BRAND_B_CLIENT_ID")
    outcomes = {}
    for name in ("sfmc_brand_b", "sfmc"):
        (assets,) = runner.deployment.streams(name)
        outcomes[name] = runner.load(assets, hours_ago(6, 1), pull=True, only_missing=True)
    assert not outcomes["sfmc_brand_b"].succeeded
    assert "SFMC_BRAND_B_CLIENT_ID not set" in outcomes["sfmc_brand_b"].says
    assert outcomes["sfmc"].succeeded
