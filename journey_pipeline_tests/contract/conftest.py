"""Two sandboxes for the whole suite, as if just started for each test, and an empty home."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path

import pytest

from journey_pipeline.lake.layout import Lake
from journey_pipeline.model import Granularity
from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.options import SandboxOptions
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import Event, World
from journey_pipeline.transport.retry import Waits, no_waiting
from journey_pipeline_tests.contract.declaration import NOW, ContractStream
from journey_pipeline_tests.contract.hooks import HOOKS
from journey_pipeline_tests.contract.pipeline import Pipeline
from journey_pipeline_tests.new_home import put_warehouse


class RememberedWorld(World):
    """A world that makes its events once: test after test asks for those of the same few windows, and they are few."""

    def slices(self, start_ms: int, end_ms: int, *, newest_first: bool = False) -> Iterator[list[Event]]:
        for part in _slices(self, start_ms, end_ms, newest_first=newest_first):
            yield list(part)


@lru_cache(maxsize=128)
def _slices(world: RememberedWorld, start_ms: int, end_ms: int, *, newest_first: bool) -> list[list[Event]]:
    return list(World.slices(world, start_ms, end_ms, newest_first=newest_first))


# Some hundred records a partition: one of a day has as many as one of an hour, at a tenth of the work.
WORLDS = {
    Granularity.HOUR: RememberedWorld(rows_per_hour=60, contacts=200, steady=True),
    Granularity.DAY: RememberedWorld(rows_per_hour=4, touchpoints_per_day=120, contacts=200, steady=True),
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
    return Pipeline(stream, sandbox, Lake(put_warehouse(tmp_path)))
