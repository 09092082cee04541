"""Files of the lake that were cut off: named with what heals them, healed by it, and no other hour suffers."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from journey_pipeline.errors import LakeError
from journey_pipeline.lake.landing import read_landing
from journey_pipeline.loading.load import LoadAtOnce
from journey_pipeline.loading.plan import State, survey
from journey_pipeline.model import Window, selection
from journey_pipeline_tests.bad_input.bad_vendor import (
    DOWNLOAD,
    HOUR,
    NEXT_HOUR,
    NOW,
    STREAM,
    BadVendor,
    Line,
    row,
    table,
)
from journey_pipeline_tests.reading import read_parquet

pytestmark = pytest.mark.slow(reason="each test loads, damages and heals")

BOTH = (HOUR, NEXT_HOUR)
SPAN = Window(HOUR.start, NEXT_HOUR.end)
BODY = table([row(1), row(2), row(3, TransactionTime="2026-02-30T00:00:00Z")])


def landing_manifest(line: Line) -> Path:
    return line.lake.landing_manifest(STREAM.key, HOUR.partition)


def events_manifest(line: Line) -> Path:
    return line.lake.events_manifest(STREAM.key, HOUR.partition)


def events_file(line: Line) -> Path:
    return line.lake.events_file(STREAM.key, HOUR.partition)


def rejects_file(line: Line) -> Path:
    return line.lake.rejects_file(STREAM.key, HOUR.partition)


def cut_in_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def normalize(line: Line) -> None:
    """What `journey-pipeline normalize` does."""
    work = LoadAtOnce(line.lake, STREAM, BOTH, line.settings, lambda: pytest.fail("the vendor was asked"), pull=False)
    assert [outcome.error for outcome in work.outcomes()] == [None, None]


def backfill(line: Line) -> None:
    """What `journey-pipeline backfill` does."""
    assert [outcome.error for outcome in line.load(*BOTH, again=False)] == [None, None]


def backfill_again(line: Line) -> None:
    """What `journey-pipeline backfill --again` does."""
    assert [outcome.error for outcome in line.load(*BOTH, again=True)] == [None, None]


FILES = [landing_manifest, events_manifest, events_file, rejects_file]


@pytest.mark.parametrize(
    ("damage", "heal"), [(cut_in_half, normalize), (emptied, backfill), (cut_in_half, backfill_again)]
)
@pytest.mark.parametrize("file", FILES)
def test_a_damaged_file_is_named_with_what_heals_it_and_healed(
    line: Line,
    vendor: BadVendor,
    caplog: pytest.LogCaptureFixture,
    *,
    file: Callable[[Line], Path],
    damage: Callable[[Path], None],
    heal: Callable[[Line], None],
) -> None:
    vendor.gives(BODY, rows=3)
    line.load(*BOTH)
    before = {path: path.read_bytes() for path in (line.lake.home / "events").rglob("*.parquet")}
    path = file(line)
    damage(path)

    found = survey(line.lake, STREAM, SPAN, NOW)
    assert (found.windows(State.LANDED), found.windows(State.COMPLETE)) == ([HOUR], [NEXT_HOUR])
    assert str(path) in found.damage[HOUR]
    assert f"journey-pipeline normalize {selection(STREAM.key, HOUR)}`" in found.damage[HOUR]

    with caplog.at_level(logging.WARNING):
        heal(line)
    assert str(path) in caplog.text
    assert survey(line.lake, STREAM, SPAN, NOW).windows(State.COMPLETE) == list(BOTH)
    if heal is not backfill_again:
        assert {path: path.read_bytes() for path in before} == before
    assert line.ids() == ["id-1", "id-1", "id-2", "id-2"]
    assert [len(read_parquet(line.lake.rejects_file(STREAM.key, window.partition))) for window in BOTH] == [1, 1]


@pytest.mark.parametrize("file", [events_manifest, events_file, rejects_file])
def test_a_sync_names_a_damaged_file_loads_the_rest_and_is_whole_once_it_is_healed(
    line: Line, vendor: BadVendor, file: Callable[[Line], Path]
) -> None:
    for window, number in ((HOUR, 1), (NEXT_HOUR, 2)):
        vendor.gives(table([row(number), row(3, TransactionTime="2026-02-30T00:00:00Z")]), rows=2)
        line.load(window)
    path = file(line)
    cut_in_half(path)
    (broken,) = line.sync().broken
    assert line.lake.relative(path) in str(broken)
    assert f"journey-pipeline normalize {selection(STREAM.key, HOUR)}`" in str(broken)
    assert line.ids_in_warehouse() == ["id-2"]
    normalize(line)
    assert line.sync().broken == ()
    assert line.ids_in_warehouse() == ["id-1", "id-2"]
    assert line.ask("select count(*) from ops.rejects") == [(2,)]


def test_a_landing_manifest_that_is_made_again_knows_every_earlier_answer(line: Line, vendor: BadVendor) -> None:
    for number in (1, 2, 3):
        vendor.gives(table([row(number)]), rows=1)
        line.load(HOUR)
    before = read_landing(line.lake, STREAM.key, HOUR.partition)
    line.load(NEXT_HOUR)
    cut_in_half(landing_manifest(line))
    normalize(line)
    assert read_landing(line.lake, STREAM.key, HOUR.partition) == before
    assert line.ids() == ["id-1", "id-2", "id-3", "id-3"]  # the last answer is that of the next hour too


def test_a_landing_manifest_without_notes_is_refused_and_nothing_of_the_hour_is_touched(
    line: Line, vendor: BadVendor
) -> None:
    vendor.gives(BODY, rows=3)
    line.load(*BOTH)
    cut_in_half(landing_manifest(line))
    for note in landing_manifest(line).parent.glob("*/attempt.json"):
        note.unlink()
    before = {path: path.read_bytes() for path in line.lake.home.rglob("*") if path.is_file()}
    bad, good = line.load(*BOTH, again=False)
    assert isinstance(bad.error, LakeError)
    assert str(landing_manifest(line)) in str(bad.error)
    assert good.error is None
    assert {path: path.read_bytes() for path in before} == before
    assert vendor.server.count(DOWNLOAD) == 2


def test_a_note_holds_what_the_manifest_says_and_no_secret(line: Line, vendor: BadVendor) -> None:
    vendor.gives(BODY, rows=3)
    line.load()
    (note,) = landing_manifest(line).parent.glob("*/attempt.json")
    (attempt,) = json.loads(landing_manifest(line).read_text())["attempts"]
    assert json.loads(note.read_text()) == {
        **attempt,
        "of": f"sfmc/journey_history {landing_manifest(line).parent.name}",
    }
    assert "4711" not in note.read_text()
