"""A disk that fills up at any step: the message names it, nothing half-written counts, and a later run heals."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from journey_pipeline.errors import JourneyError
from journey_pipeline.lake.layout import Lake
from journey_pipeline.warehouse.connection import published_file
from journey_pipeline.warehouse.publish import publish
from journey_pipeline_tests.bad_input.bad_vendor import SMALL, BadVendor, Line, assert_says, row, table
from journey_pipeline_tests.bad_input.small_disk import fill
from journey_pipeline_tests.reading import opened

pytestmark = pytest.mark.slow(reason="each test fills a disk step by step")

KB = 1024
ROWS = 1500
DICE = random.Random(1)
BODY = table([row(number, Message=DICE.randbytes(200).hex()) for number in range(ROWS)])


def load(line: Line) -> None:
    (outcome,) = line.load(again=False)
    if outcome.error:
        raise outcome.error


def sync(line: Line) -> None:
    line.sync()


def publish_it(line: Line) -> None:
    publish(line.lake, SMALL)


def published(line: Line) -> int:
    with opened(published_file(line.lake)) as session:
        return len(session.execute("select event_key from core.journey_events").fetchall())


STEPS: list[Callable[[Line], None]] = [load, sync, publish_it]
FOUND: list[Callable[[Line], int]] = [
    lambda line: len(line.ids()),
    lambda line: len(line.ids_in_warehouse()),
    published,
]


@pytest.mark.parametrize(
    ("done", "room_bytes", "attempted"),
    [
        pytest.param(0, 0, "landing sfmc/journey_history 2026-11-20T05", id="nothing fits"),
        pytest.param(0, 100 * KB, "landing sfmc/journey_history 2026-11-20T05", id="half a download"),
        pytest.param(0, 400 * KB, "normalizing sfmc/journey_history 2026-11-20T05", id="a download"),
        pytest.param(1, 0, "writing warehouse", id="no warehouse"),
        pytest.param(1, 900 * KB, "writing warehouse", id="half a warehouse"),
        pytest.param(2, 0, "publishing journeys.duckdb", id="no publishing"),
    ],
)
def test_a_full_disk_is_named_leaves_nothing_half_written_and_heals(
    disk: Path, vendor: BadVendor, done: int, room_bytes: int, attempted: str
) -> None:
    line = Line(Lake(disk / "home"))
    line.lake.home.mkdir()
    vendor.gives(BODY, rows=ROWS)
    for step in STEPS[:done]:
        step(line)
    filler = fill(disk, room_bytes)
    with pytest.raises(JourneyError) as caught:
        STEPS[done](line)
    assert_says(caught.value, attempted, str(line.lake.home), "is full", "free some space", "run it again")
    assert list(line.lake.home.rglob("*.tmp")) == []
    landed = [len(list((line.lake.home / "raw").rglob(name))) for name in ("part-*", "attempt.json", "manifest.json")]
    assert landed in ([0, 0, 0], [1, 1, 1])
    assert len(list((line.lake.home / "events").rglob("*.json"))) == min(done, 1)
    filler.unlink()
    STEPS[done](line)
    assert FOUND[done](line) == ROWS
