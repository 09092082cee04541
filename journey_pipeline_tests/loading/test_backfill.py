"""A load of several partitions: how those that fail are told of."""

from __future__ import annotations

from datetime import timedelta

import pytest

from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.backfill import Backfill
from journey_pipeline.loading.partition import LoadSettings
from journey_pipeline.loading.progress import Silent, watched_by
from journey_pipeline.model import Window
from journey_pipeline.vendors.sfmc.journey_history import journey_history_stream
from journey_pipeline_tests.loading.conftest import NOW, START, OpenSource


class Told(Silent):
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
    load = Backfill(lake, stream, [hour], LoadSettings(), lambda: source)
    told = Told()
    with watched_by(told):
        list(load.outcomes())
    assert told.errors == ["AssertionError"]
