"""A vendor on this machine, an empty home, and runs of the real assets against them, at a fixed present."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from journey_pipeline.components.deployment import Deployment, load_deployment
from journey_pipeline.components.instance import open_instance
from journey_pipeline.components.load_assets import LoadAssets
from journey_pipeline.components.runs import Runner
from journey_pipeline.lake.layout import Lake
from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline.settings import CLOCK_OFFSET_VARIABLE
from journey_pipeline_tests.new_home import put_history, put_warehouse
from journey_pipeline_tests.projects import NOW, make_project

ROWS_PER_HOUR = 150


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with serve(World(rows_per_hour=ROWS_PER_HOUR, contacts=500, steady=True), clock=SandboxClock(NOW)) as running:
        yield running


@pytest.fixture
def home(tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, with the connection's variables pointing at the sandbox."""
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.setenv("JOURNEY_PIPELINE_HOME", str(tmp_path))
    monkeypatch.setenv("JOURNEY_PIPELINE_NO_WAITING", "1")
    monkeypatch.setenv(CLOCK_OFFSET_VARIABLE, str((NOW - datetime.now(UTC)).total_seconds()))
    for name, value in sandbox.environment().items():
        monkeypatch.setenv(name, value)
    return tmp_path


@pytest.fixture
def lake(home: Path) -> Lake:
    return Lake(home)


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A project of its own, with two accounts at the same vendor."""
    folder = make_project(tmp_path_factory.mktemp("shop"), "sfmc", "sfmc_brand_b")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield load_deployment(folder)


@pytest.fixture
def runner(home: Path, deployment: Deployment) -> Iterator[Runner]:
    put_history(put_warehouse(home))
    with open_instance() as instance:
        yield Runner(deployment, instance)


@pytest.fixture
def assets(deployment: Deployment) -> LoadAssets:
    return deployment.streams("sfmc/journey_history")[0]
