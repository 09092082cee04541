"""The journey history of a simulated vendor, and an empty lake."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from journey_pipeline.lake.layout import Lake
from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline.transport.retry import Limits, no_waiting
from journey_pipeline.vendors.sfmc.client import SfmcClient
from journey_pipeline.vendors.sfmc.journey_history.stream import JourneyHistory, journey_history_stream

NOW = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
START = datetime(2026, 1, 1, tzinfo=UTC)

OpenSource = Callable[..., JourneyHistory]


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    world = World(rows_per_hour=200, contacts=300, steady=True)
    with serve(world, clock=SandboxClock.frozen(NOW)) as running, no_waiting():
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path)


@pytest.fixture
def open_source(sandbox: Sandbox) -> Iterator[OpenSource]:
    """Opens the stream with settings of the test's choice."""
    opened: list[JourneyHistory] = []

    def make(**settings: Any) -> JourneyHistory:
        client = SfmcClient("sfmc", limits=Limits(requests_per_s=1000, concurrency=2))
        opened.append(JourneyHistory(client, journey_history_stream("sfmc", START), **settings))
        return opened[-1]

    assert sandbox.url
    yield make
    for source in opened:
        source.close()
