from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from journey_pipeline.lake.landing import commit_attempt, mark_covered, restore_landing, set_aside
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import Attempt, EventsManifest, LandedFile, ParquetFile
from journey_pipeline.lake.marks import lacking_marks, restore_marks
from journey_pipeline.lake.sweep import sweep
from journey_pipeline.model import Granularity, StreamKey, Window, partition_window
from journey_pipeline_tests.lake.made_landing import begin_attempt

KEY = StreamKey("layerfive", "layerfive", "customer_journeys")
FIRST, SECOND, THIRD = DAYS = Window(
    partition_window("2026-11-20").start, partition_window("2026-11-22").end
).partitions(Granularity.DAY)


def land(
    lake: Lake,
    window: Window,
    covers: list[Window] | None,
    *,
    marks: list[Window] | None = None,
    asked: str = "",
    now: datetime = THIRD.end,
) -> Attempt:
    folder = begin_attempt(lake, KEY, window, now)
    files = []
    if asked:
        folder.part(0, "csv.gz").write_bytes(b"x")
        file = LandedFile(name="part-0.csv.gz", sha256="", bytes=1, raw_bytes=1, rows=0, received_as="gzip")
        files = [file.model_copy(update={"window": asked})]
    names = None if covers is None else tuple(other.partition for other in covers)
    attempt = Attempt(
        attempt=folder.name, started_at=now, landed_at=now, package_version="0", files=tuple(files), covers=names
    )
    commit_attempt(lake, KEY, window, attempt)
    mark_covered(lake, KEY, (covers or []) if marks is None else marks, by=window, attempt=attempt.attempt)
    return attempt


def manifests(lake: Lake) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in (lake.home / "raw").rglob("manifest.json")}


def delete(lake: Lake, *windows: Window) -> None:
    for window in windows:
        lake.landing_manifest(KEY, window.partition).unlink()


@pytest.mark.parametrize("lost", [[SECOND], [SECOND, THIRD], [FIRST, SECOND, THIRD]])
def test_marks_that_are_lacking_are_made_again_as_they_were(tmp_path: Path, lost: list[Window]) -> None:
    lake = Lake(tmp_path)
    land(lake, FIRST, [SECOND, THIRD])
    land(lake, FIRST, [THIRD])
    before = manifests(lake)
    delete(lake, *lost)
    swept = sweep(lake, KEY.vendor, KEY.connection, datetime.now(THIRD.end.tzinfo) - timedelta(days=1))
    assert swept.marked == tuple(lake.landing_dir(KEY, day.partition) for day in lost if day != FIRST)
    assert manifests(lake) == before
    assert restore_marks(lake, KEY) == []


def test_the_newest_answer_that_held_a_day_is_named_again(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    land(lake, FIRST, [SECOND, THIRD])
    land(lake, SECOND, [THIRD], marks=[])
    shutil.rmtree(lake.landing_dir(KEY, THIRD.partition))
    assert restore_marks(lake, KEY) == [THIRD.partition]
    assert restore_landing(lake, KEY, THIRD).covered_by == SECOND.partition


def test_a_crash_before_the_marks_loses_none(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    land(lake, FIRST, [SECOND, THIRD], marks=[SECOND])
    assert restore_marks(lake, KEY) == [THIRD.partition]


def test_a_mark_that_is_damaged_is_made_again(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    land(lake, FIRST, [SECOND])
    before = manifests(lake)
    lake.landing_manifest(KEY, SECOND.partition).write_bytes(b"{")
    restore_marks(lake, KEY)
    assert manifests(lake) == before


def test_a_day_with_answers_of_its_own_keeps_them_though_its_manifest_is_lacking(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    land(lake, FIRST, [SECOND])
    own = land(lake, SECOND, [])
    delete(lake, SECOND)
    assert lacking_marks(lake, KEY) == {}
    assert restore_landing(lake, KEY, SECOND).attempts == (own,)


def test_an_answer_that_can_not_be_read_holds_no_day(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    attempt = land(lake, FIRST, [SECOND], marks=[])
    set_aside(lake, KEY, FIRST.partition, {attempt.attempt: "damaged"})
    assert lacking_marks(lake, KEY) == {}


def test_only_answers_from_after_a_day_are_read_for_it(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    land(lake, FIRST, [SECOND], marks=[], now=SECOND.end)
    assert lacking_marks(lake, KEY, since=THIRD.end) == {}
    assert list(lacking_marks(lake, KEY, since=SECOND.end)) == [SECOND.partition]
    land(lake, FIRST, [SECOND, THIRD], marks=[], now=THIRD.end)
    assert list(lacking_marks(lake, KEY, since=THIRD.end)) == [SECOND.partition, THIRD.partition]


def test_a_note_of_an_earlier_version_says_by_its_window_which_days_it_holds(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    land(lake, FIRST, None, marks=[SECOND, THIRD], asked=str(Window(FIRST.start, THIRD.end)))
    before = manifests(lake)
    delete(lake, *DAYS)
    restore_marks(lake, KEY)
    restore_landing(lake, KEY, FIRST)
    assert manifests(lake) == before


def test_of_a_note_of_an_earlier_version_its_events_say_which_days_it_holds(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    attempt = land(lake, FIRST, None, marks=[SECOND], asked=str(FIRST))
    EventsManifest(
        vendor=KEY.vendor,
        connection=KEY.connection,
        stream=KEY.stream,
        partition=FIRST.partition,
        window=str(FIRST),
        attempts=(attempt.attempt,),
        recipe="",
        package_version="0",
        landed_at=attempt.landed_at,
        events=ParquetFile(sha256="", bytes=0, rows=0),
        landed=0,
        covers=(SECOND.partition,),
    ).write(lake.events_manifest(KEY, FIRST.partition))
    before = manifests(lake)
    delete(lake, FIRST, SECOND)
    assert restore_marks(lake, KEY) == [SECOND.partition]
    restore_landing(lake, KEY, FIRST)
    assert manifests(lake) == before
