from __future__ import annotations

import itertools
import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from benchmarks.made_partitions import make_partitions
from journey_pipeline.components.connection import ToleranceSettings
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import EventsManifest
from journey_pipeline.loading import memo
from journey_pipeline.loading.claims import Tolerance
from journey_pipeline.loading.partition import LoadSettings
from journey_pipeline.loading.plan import State, Survey, survey
from journey_pipeline.model import Window
from journey_pipeline.vendors.sfmc.journey_history.stream import journey_history_stream
from journey_pipeline.vendors.source import Stream

START = datetime(2026, 11, 1, tzinfo=UTC)
NOW = START + timedelta(days=1)
HOURS = [Window(START + timedelta(hours=n), START + timedelta(hours=n + 1)) for n in range(4)]
FIRST = HOURS[0].partition
MONTH = FIRST[:7]
SETTINGS = LoadSettings()
WRITTEN_S = 1_700_000_000


@pytest.fixture
def stream() -> Stream:
    return journey_history_stream("sfmc", START)


@pytest.fixture
def lake(tmp_path: Path, stream: Stream) -> Lake:
    lake = Lake(tmp_path)
    make_partitions(lake, stream, HOURS[:3])
    age(lake)
    return lake


def age(lake: Lake) -> None:
    """Gives all files a time at which they can't have been written just now."""
    for file in lake.home.rglob("*"):
        os.utime(file, (WRITTEN_S, WRITTEN_S))


def states(found: Survey) -> list[State]:
    return list(found.states.values())


def look(lake: Lake, stream: Stream, settings: LoadSettings | None = None) -> Survey:
    return survey(lake, stream, Window(START, HOURS[-1].end), NOW, settings)


def spoil_unnoticed(file: Path) -> None:
    """Writes other bytes of the same size, with the same number and time, as no program does by accident."""
    stat = file.stat()
    file.write_bytes(b"x" * stat.st_size)
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def test_a_complete_partition_is_not_read_again_while_its_files_are_the_same(lake: Lake, stream: Stream) -> None:
    before = states(look(lake, stream))
    assert before == [State.COMPLETE] * 3 + [State.MISSING]
    spoil_unnoticed(lake.events_manifest(stream.key, FIRST))
    assert states(look(lake, stream)) == before
    lake.survey_memo(stream.key, MONTH).unlink()
    assert states(look(lake, stream)) == [State.LANDED, *before[1:]]


@pytest.mark.parametrize("place", ["landing_manifest", "events_manifest", "events_file"])
def test_a_file_that_is_another_or_gone_is_noticed(lake: Lake, stream: Stream, place: str) -> None:
    before = states(look(lake, stream))
    file = getattr(lake, place)(stream.key, FIRST)
    content = file.read_bytes()
    file.write_bytes(content[:-9])
    assert states(look(lake, stream)) == [State.LANDED, *before[1:]]
    file.unlink()
    assert states(look(lake, stream))[0] is not State.COMPLETE
    file.write_bytes(content)
    assert states(look(lake, stream)) == before


def test_what_was_written_just_now_is_not_remembered(lake: Lake, stream: Stream) -> None:
    manifest = lake.events_manifest(stream.key, FIRST)
    later = datetime.now(UTC).timestamp() + 3_600  # as if it were written while it is looked at
    os.utime(manifest, (later, later))
    assert states(look(lake, stream))[0] is State.COMPLETE
    spoil_unnoticed(manifest)
    assert states(look(lake, stream))[0] is State.LANDED


def test_what_was_written_just_before_a_slow_look_is_not_remembered(
    lake: Lake, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock_ns = itertools.count(WRITTEN_S * 10**9, 3600 * 10**9)
    monkeypatch.setattr(memo, "present_ns", lambda: next(clock_ns))
    assert states(look(lake, stream)) == [State.COMPLETE] * 3 + [State.MISSING]
    for hour in HOURS[:3]:
        spoil_unnoticed(lake.events_manifest(stream.key, hour.partition))
    assert states(look(lake, stream)) == [State.LANDED] * 3 + [State.MISSING]


@pytest.mark.parametrize("damage", [b"", b"[]", b"{", b'{"of": 1}', b"\xff", b'{"of": "?", "complete": {}}'])
def test_a_memo_that_is_damaged_costs_time_and_nothing_else(lake: Lake, stream: Stream, damage: bytes) -> None:
    before = states(look(lake, stream, SETTINGS))
    lake.survey_memo(stream.key, MONTH).write_bytes(damage)
    assert states(look(lake, stream, SETTINGS)) == before


def test_a_memo_whose_every_partition_is_of_another_kind_is_not_used(lake: Lake, stream: Stream) -> None:
    before = states(look(lake, stream))
    kept = lake.survey_memo(stream.key, MONTH)
    content = json.loads(kept.read_bytes())
    for entry in ([1], [FIRST, [], None, ""], "abcd", {"a": 1}, [3, 3, 3, 3], [3, [3], 3, 3]):
        kept.write_text(json.dumps(content | {"complete": {FIRST: entry}}))
        spoiled = Lake(lake.home)
        assert states(look(spoiled, stream)) == before


def test_a_memo_of_another_recipe_is_not_used(lake: Lake, stream: Stream) -> None:
    look(lake, stream)
    kept = lake.survey_memo(stream.key, MONTH)
    content = json.loads(kept.read_bytes())
    kept.write_text(json.dumps(content | {"of": content["of"].replace("sfmc", "other")}))
    spoil_unnoticed(lake.events_manifest(stream.key, FIRST))
    assert states(look(lake, stream))[0] is State.LANDED


def test_what_other_code_found_is_not_believed(
    lake: Lake, stream: Stream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look(lake, stream)
    spoil_unnoticed(lake.events_manifest(stream.key, FIRST))
    module = tmp_path / "claims.py"
    module.write_text("is_true = True")
    before = memo.digest_of(tmp_path)
    memo.digest_of.cache_clear()
    module.write_text("is_true = None")
    assert memo.digest_of(tmp_path) != before
    assert states(look(lake, stream))[0] is State.COMPLETE
    monkeypatch.setattr(memo, "_CODE", (tmp_path,))
    assert states(look(lake, stream))[0] is State.LANDED


def test_a_look_at_some_days_reads_and_writes_the_memo_of_their_months_alone(lake: Lake, stream: Stream) -> None:
    october = replace(stream, start=START - timedelta(hours=2))
    make_partitions(lake, october, Window(october.start, START).partitions(stream.granularity))
    age(lake)
    assert survey(lake, october, Window(october.start, HOURS[0].end), NOW).windows(State.COMPLETE)
    memos = [lake.survey_memo(stream.key, month) for month in ("2026-10", MONTH)]
    memos[0].write_text("not read")
    make_partitions(lake, stream, HOURS[3:])
    age(lake)
    assert states(look(lake, october)) == [State.COMPLETE] * 4
    assert memos[0].read_text() == "not read"
    assert len(json.loads(memos[1].read_bytes())["complete"]) == 4


def test_a_red_claim_is_told_every_time_and_judged_anew_by_other_settings(lake: Lake, stream: Stream) -> None:
    path = lake.events_manifest(stream.key, FIRST)
    manifest = EventsManifest.read(path)
    assert manifest
    manifest.model_copy(update={"unaccounted": 2}).write(path)
    age(lake)
    strict = LoadSettings(tolerance=Tolerance(rows_share=0.5))
    for settings in (None, SETTINGS, SETTINGS, strict, None, SETTINGS):
        found = look(lake, stream, settings)
        assert list(found.red) == ([HOURS[0]] if settings else [])
        assert states(found)[0] is State.COMPLETE


def test_equal_settings_of_a_component_and_of_a_program_judge_alike(stream: Stream) -> None:
    configured = memo.judged_by(stream, LoadSettings(tolerance=ToleranceSettings()))
    assert configured == memo.judged_by(stream, LoadSettings())
    assert configured != memo.judged_by(stream, LoadSettings(tolerance=ToleranceSettings(rows=6)))


def test_a_survey_of_some_partitions_keeps_what_is_known_of_the_others(lake: Lake, stream: Stream) -> None:
    look(lake, stream)
    spoil_unnoticed(lake.events_manifest(stream.key, FIRST))
    survey(lake, stream, HOURS[2], NOW)
    assert states(look(lake, stream))[0] is State.COMPLETE


def test_a_home_that_cannot_be_written_is_surveyed_all_the_same(lake: Lake, stream: Stream) -> None:
    (lake.home / "cache").write_text("a file where the folder would be")
    assert states(look(lake, stream)) == [State.COMPLETE] * 3 + [State.MISSING]
