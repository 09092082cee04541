"""Two sandboxes for the whole suite, as if just started for each test, and an empty home."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from journey_pipeline.lake.layout import Lake
from journey_pipeline.model import Granularity
from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.options import SandboxOptions
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline.transport.retry import Waits, no_waiting
from journey_pipeline_tests.contract.declaration import NOW, ContractStream
from journey_pipeline_tests.contract.hooks import HOOKS
from journey_pipeline_tests.contract.pipeline import Pipeline

# Some hundred records a partition: one of a day has as many as one of an hour, at a tenth of the work.
WORLDS = {
    Granularity.HOUR: World(rows_per_hour=60, contacts=200, steady=True),
    Granularity.DAY: World(rows_per_hour=4, touchpoints_per_day=120, contacts=200, steady=True),
}


@pytest.fixture(scope="session")
def running() -> Iterator[dict[Granularity, Sandbox]]:
    with ExitStack() as stack:
        yield {
            granularity: stack.enter_context(serve(world, clock=SandboxClock.frozen(NOW)))
            for granularity, world in WORLDS.items()
        }


@pytest.fixture
def sandbox(stream: ContractStream, running: dict[Granularity, Sandbox]) -> Sandbox:
    sandbox = running[stream.granularity]
    sandbox.clock.freeze(NOW)
    sandbox.faults.clear()
    sandbox.calls.clear()
    sandbox.options.change(SandboxOptions().model_dump_json().encode())
    return sandbox


@pytest.fixture
def waits() -> Iterator[Waits]:
    with no_waiting() as waits:
        yield waits


@pytest.fixture
def pipeline(
    stream: ContractStream, sandbox: Sandbox, waits: Waits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Pipeline:
    assert waits == []
    stream.forget(sandbox)
    sandbox.options.change(json.dumps(stream.options).encode())
    HOOKS.home, HOOKS.clock = tmp_path, sandbox.clock
    for name, value in sandbox.environment().items():
        monkeypatch.setenv(name, value)
    return Pipeline(stream, sandbox, Lake(tmp_path))
