"""What a source plans decides what is asked for: windows, a month, or the files that lie in a folder."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from journey_pipeline.files import write_bytes
from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.load import LoadAtOnce
from journey_pipeline.loading.partition import LoadSettings
from journey_pipeline.model import Window, partition_window
from journey_pipeline.transport.response import Place
from journey_pipeline.vendors.apsis.profile_events.stream import profile_events_stream
from journey_pipeline.vendors.layerfive.customer_journeys.stream import customer_journeys_stream
from journey_pipeline.vendors.sfmc.journey_history.stream import journey_history_stream
from journey_pipeline.vendors.source import Part, Plan, Request, Source, Stream

START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
GOLDEN = Path(__file__).parents[1] / "golden" / "sfmc_journey_history.csv"
NINE, TEN = partition_window("2026-11-20T09"), partition_window("2026-11-20T10")


class Asked(Source):
    """A source that only plans."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream

    def request(self, window: Window) -> Request:
        return {"from": str(window.start)}

    def close(self) -> None:
        """Holds nothing open."""


class Folder(Asked):
    """A drop folder: its plans are the files that lie there, each named after its hour."""

    def __init__(self, stream: Stream, folder: Path) -> None:
        super().__init__(stream)
        self._folder = folder

    def plans(self, windows: Iterable[Window]) -> list[Plan]:
        lying = {window: self._folder / f"{window.partition}.csv" for window in windows}
        return [Plan(window, {"file": file.name}, (window,)) for window, file in lying.items() if file.exists()]

    def download(self, plan: Plan, to: Place, **_: Any) -> Part:
        raw = (self._folder / plan.request["file"]).read_bytes()
        write_bytes(to.file, content := gzip.compress(raw, mtime=0))
        header, *rows = raw.decode().splitlines()
        digest = hashlib.sha256(content).hexdigest()
        columns = tuple(header.split(","))
        return Part(to.file, plan.window, digest, len(content), len(raw), len(rows), columns, "identity")


def days(count: int) -> list[Window]:
    first = datetime(2026, 9, 1, tzinfo=UTC)
    return [Window(first + timedelta(days=n), first + timedelta(days=n + 1)) for n in range(count)]


@pytest.mark.parametrize(
    ("stream", "windows", "expected"),
    [
        pytest.param(journey_history_stream("sfmc", START), [TEN, NINE], [(NINE, 1), (TEN, 1)], id="hour by hour"),
        pytest.param(
            customer_journeys_stream("layerfive", START),
            [days(4)[0], days(4)[3]],
            [(days(1)[0], 2)],
            id="from the first day on",
        ),
        pytest.param(
            profile_events_stream("apsis", START),
            days(40),
            [(Window(days(40)[0].start, days(40)[30].end), 31), (Window(days(40)[31].start, days(40)[39].end), 9)],
            id="a month at most",
        ),
    ],
)
def test_partitions_are_asked_for_in_as_few_answers_as_may_hold_them(
    stream: Stream, windows: list[Window], expected: list[tuple[Window, int]]
) -> None:
    plans = Asked(stream).plans(windows)
    assert [(plan.window, len(plan.partitions)) for plan in plans] == expected
    assert [window for plan in plans for window in plan.partitions] == sorted(windows)


def test_the_plans_of_a_drop_folder_are_the_files_that_lie_there(lake: Lake, tmp_path_factory: Any) -> None:
    folder: Path = tmp_path_factory.mktemp("drop")
    (folder / f"{NINE.partition}.csv").write_bytes(GOLDEN.read_bytes())
    stream = journey_history_stream("sfmc", START)
    load = LoadAtOnce(lake, stream, [NINE, TEN], LoadSettings(), lambda: Folder(stream, folder), now=lambda: NOW)
    nine, ten = sorted(load.outcomes(), key=lambda outcome: outcome.window)
    assert nine.events
    assert nine.landing
    assert nine.landing.attempts[0].request == {"file": "2026-11-20T09.csv"}
    assert nine.events.events.rows > 0
    assert "has not landed" in str(ten.error)
