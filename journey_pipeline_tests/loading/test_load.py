"""A load of several partitions: how those that fail are told of, and by which instant they are chosen."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import chain, repeat

import pytest

from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.landing import Progress, watched_by
from journey_pipeline.loading.load import LoadAtOnce
from journey_pipeline.loading.partition import LoadSettings
from journey_pipeline.model import Granularity, Window
from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline.vendors.layerfive.client import LayerFiveClient
from journey_pipeline.vendors.layerfive.customer_journeys.stream import CustomerJourneys, customer_journeys_stream
from journey_pipeline.vendors.sfmc.journey_history.stream import journey_history_stream
from journey_pipeline_tests.loading.conftest import NOW, START, OpenSource


class Told(Progress):
    """Keeps why partitions failed."""

    def __init__(self) -> None:
        self.errors: list[str | None] = []

    def done(self, partition: str, rows: int, error: str | None) -> None:
        assert partition
        assert rows == 0
        self.errors.append(error)


def test_a_failure_that_nobody_foresaw_and_that_says_nothing_is_told_by_its_class(
    lake: Lake, open_source: OpenSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(*_: object) -> None:
        raise AssertionError

    source = open_source()
    monkeypatch.setattr(source, "estimate", silent)
    hour = Window(NOW.replace(minute=0) - timedelta(hours=2), NOW.replace(minute=0) - timedelta(hours=1))
    stream = journey_history_stream("sfmc", START)
    load = LoadAtOnce(lake, stream, [hour], LoadSettings(), lambda: source, now=lambda: NOW)
    told = Told()
    with watched_by(told):
        list(load.outcomes())
    assert told.errors == ["AssertionError"]


def strikes(at: datetime) -> Iterator[datetime]:
    """A clock that strikes an instant between its first and its second reading."""
    instant = timedelta(microseconds=1)
    return chain([at - instant], repeat(at + instant))


def test_an_answer_that_is_asked_for_as_its_first_day_expires_brings_all_days_that_were_chosen(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = customer_journeys_stream("layerfive", START)
    first = NOW.replace(hour=0, minute=0) - timedelta(days=80)
    days = Window(first, first + timedelta(days=3)).partitions(Granularity.DAY)
    edge = first + stream.retention
    clock = strikes(edge)
    with serve(World(touchpoints_per_day=10, contacts=10), clock=SandboxClock.frozen(edge)) as sandbox:
        for name, value in sandbox.environment().items():
            monkeypatch.setenv(name, value)
        outcomes = LoadAtOnce(
            lake,
            stream,
            days,
            LoadSettings(),
            lambda: CustomerJourneys(LayerFiveClient("layerfive"), stream),
            now=lambda: next(clock),
        ).outcomes()
        assert {outcome.window: outcome.error for outcome in outcomes} == dict.fromkeys(days)
