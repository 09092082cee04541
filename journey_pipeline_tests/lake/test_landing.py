from __future__ import annotations

import multiprocessing
import re
import shutil
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from journey_pipeline.errors import LakeError
from journey_pipeline.lake.landing import (
    answers,
    commit_attempt,
    lacks_attempts,
    landed_last,
    last_answers,
    mark_covered,
    mark_superseded,
    read_holder,
    read_landing,
    restore_landing,
    set_aside,
)
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import Attempt
from journey_pipeline.model import StreamKey, Window
from journey_pipeline_tests.lake.made_landing import KEY, NOON, PARTITION, WINDOW, MadeLanding, as_csv, begin_attempt

DAY = timedelta(days=1)
MIDNIGHT = NOON.replace(hour=0)
NEXT = Window(WINDOW.end, WINDOW.end + WINDOW.duration)
BODY = as_csv([["1", "2026-11-20T09:00:00Z", "C-1", "x"]])


def commit_empty(home: Path, number: int) -> str:
    lake = Lake(home)
    now = NOON + timedelta(seconds=number)
    folder = begin_attempt(lake, KEY, WINDOW, now)
    attempt = Attempt(attempt=folder.name, started_at=now, landed_at=now, package_version="0")
    commit_attempt(lake, KEY, WINDOW, attempt)
    return folder.name


def test_attempts_are_named_after_their_time_and_never_alike(tmp_path: Path) -> None:
    names = [begin_attempt(Lake(tmp_path), KEY, WINDOW, NOON + timedelta(microseconds=n // 2)).name for n in range(6)]
    assert len(set(names)) == 6
    assert [name[:22] for name in names] == sorted(name[:22] for name in names)
    assert re.fullmatch(r"20261120T120000000000Z-[0-9a-f]{8}", names[0])


def test_answers_tell_for_which_partition_and_when_each_was_asked_for(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    assert list(answers(lake, KEY)) == []
    asked = [(WINDOW, NOON), (WINDOW, NOON + 2 * DAY), (NEXT, NOON + DAY)]
    for window, at in asked:
        begin_attempt(lake, KEY, window, at)
    shutil.copytree(lake.landing_dir(KEY, PARTITION), lake.landing_root(KEY) / f"{PARTITION} copy")
    assert sorted(answers(lake, KEY), key=str) == sorted(asked, key=str)


def test_a_partition_tells_when_its_newest_answer_was_complete_or_else_asked_for(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    assert landed_last(lake, KEY, PARTITION) is None
    folder = begin_attempt(lake, KEY, WINDOW, NOON)
    assert landed_last(lake, KEY, PARTITION) == NOON
    attempt = Attempt(attempt=folder.name, started_at=NOON, landed_at=NOON + DAY, package_version="0")
    commit_attempt(lake, KEY, WINDOW, attempt)
    assert landed_last(lake, KEY, PARTITION) == NOON + DAY
    lake.landing_manifest(KEY, PARTITION).write_bytes(b"{")
    assert landed_last(lake, KEY, PARTITION) == NOON


def test_a_partition_has_landed_only_when_its_manifest_is_there(tmp_path: Path) -> None:
    folder = begin_attempt(Lake(tmp_path), KEY, WINDOW, NOON)
    folder.part(0, "csv.gz").write_bytes(b"half")
    assert read_landing(Lake(tmp_path), KEY, PARTITION) is None


def test_a_new_answer_adds_to_a_partition_and_never_takes_away(made: MadeLanding) -> None:
    attempts = [made.land(BODY), made.land(BODY), made.land(b"")]
    assert made.manifest().attempts == tuple(attempts)
    assert made.manifest().window == str(WINDOW)


def test_an_attempt_that_is_committed_twice_is_there_once(made: MadeLanding) -> None:
    attempt = made.land(BODY)
    commit_attempt(made.lake, KEY, WINDOW, attempt)
    assert made.manifest().attempts == (attempt,)


def test_the_last_answers_are_those_of_the_landing_that_was_committed_last_whatever_else_is_damaged(
    made: MadeLanding,
) -> None:
    assert last_answers(made.lake, KEY) == {}
    attempt = made.land(BODY)
    for hour in (2, 1):
        window = Window(WINDOW.start + timedelta(hours=hour), WINDOW.end + timedelta(hours=hour))
        folder = begin_attempt(made.lake, KEY, window, NOON)
        told = attempt.model_copy(update={"attempt": folder.name, "files": (), "answers": {"hour": hour}})
        commit_attempt(made.lake, KEY, window, told)
    later = Window(WINDOW.start + timedelta(hours=3), WINDOW.end + timedelta(hours=3))
    mark_covered(made.lake, KEY, [later], by=window, attempt="any")
    assert last_answers(made.lake, KEY) == {"hour": 1}
    made.lake.landing_manifest(KEY, window.partition).write_text("{")
    assert last_answers(made.lake, KEY) == {"hour": 2}


@pytest.mark.parametrize("damage", ["missing", "short"])
def test_an_attempt_whose_file_is_not_as_stated_does_not_count(made: MadeLanding, damage: str) -> None:
    kept = made.land(BODY)
    folder = begin_attempt(made.lake, KEY, WINDOW, NOON + timedelta(hours=1))
    if damage == "short":
        folder.part(0, "csv.gz").write_bytes(b"x")
    broken = kept.model_copy(update={"attempt": folder.name})
    with pytest.raises(LakeError, match="pull the partition again"):
        commit_attempt(made.lake, KEY, WINDOW, broken)
    assert made.manifest().attempts == (kept,)


def test_threads_that_end_at_the_same_time_keep_one_anothers_attempts(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        names = set(pool.map(lambda number: commit_empty(tmp_path, number), range(24)))
    landing = read_landing(Lake(tmp_path), KEY, PARTITION)
    assert landing is not None
    assert {attempt.attempt for attempt in landing.attempts} == names


@pytest.mark.slow(reason="new interpreters")
def test_processes_that_end_at_the_same_time_keep_one_anothers_attempts(tmp_path: Path) -> None:
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        names = set(pool.map(commit_empty, [tmp_path] * 20, range(20)))
    landing = read_landing(Lake(tmp_path), KEY, PARTITION)
    assert landing is not None
    assert {attempt.attempt for attempt in landing.attempts} == names


def test_a_superseded_attempt_stays_in_the_manifest_with_its_files(made: MadeLanding) -> None:
    older, newer = made.land(BODY), made.land(BODY)
    mark_superseded(made.lake, KEY, PARTITION, {older.attempt})
    assert [attempt.superseded for attempt in made.manifest().attempts] == [True, False]
    assert made.manifest().active == (newer,)
    assert made.landed(older).exists()


def test_a_manifest_that_was_cut_off_says_what_heals_it(made: MadeLanding) -> None:
    made.land(BODY)
    path = made.lake.landing_manifest(KEY, PARTITION)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(LakeError, match="pulling the partition"):
        read_landing(made.lake, KEY, PARTITION)


def test_a_new_answer_meets_a_folder_without_a_manifest_and_names_the_earlier_ones_too(made: MadeLanding) -> None:
    earlier = (made.land(BODY), made.land(b""))
    made.lake.landing_manifest(KEY, PARTITION).unlink()
    newest = made.land(BODY)
    assert made.manifest().attempts == (*earlier, newest)


def test_a_partition_is_not_said_to_be_covered_while_it_has_answers_of_its_own(made: MadeLanding) -> None:
    attempt = made.land(BODY)
    made.lake.landing_manifest(KEY, PARTITION).unlink()
    before = Window(WINDOW.start - timedelta(hours=1), WINDOW.start)
    mark_covered(made.lake, KEY, [WINDOW], by=before, attempt="any")
    assert restore_landing(made.lake, KEY, WINDOW).attempts == (attempt,)


def test_a_note_that_can_not_be_understood_does_not_keep_a_new_answer_out(made: MadeLanding) -> None:
    broken = made.land(BODY)
    (made.lake.landing_dir(KEY, PARTITION) / broken.attempt / "attempt.json").write_bytes(b"{")
    made.lake.landing_manifest(KEY, PARTITION).unlink()
    newest = made.land(BODY)
    assert made.manifest().attempts == (newest,)
    assert made.landed(broken).exists()


def test_an_attempt_is_newer_than_those_before_it_although_the_clock_was_set_back(made: MadeLanding) -> None:
    newest = made.land(BODY)
    after = begin_attempt(made.lake, KEY, WINDOW, NOON - timedelta(days=3)).name
    assert after > newest.attempt
    assert begin_attempt(made.lake, KEY, WINDOW, NOON - timedelta(days=3)).name > after


def test_an_attempt_that_is_set_aside_stays_in_the_manifest_and_no_events_are_made_of_it(made: MadeLanding) -> None:
    first, second = made.land(BODY), made.land(b"")
    manifest = set_aside(made.lake, KEY, PARTITION, {first.attempt: "half of it is missing"})
    assert manifest == made.manifest()
    assert made.manifest().active == (second,)
    assert [one.unreadable for one in made.manifest().set_aside] == ["half of it is missing"]
    set_aside(made.lake, KEY, PARTITION, {first.attempt: ""})
    assert made.manifest().active == (first, second)


def test_a_manifest_that_is_made_again_knows_which_answers_are_set_aside_and_why(made: MadeLanding) -> None:
    first, second = made.land(BODY), made.land(b"")
    set_aside(made.lake, KEY, PARTITION, {first.attempt: "half of it is missing"})
    before = made.manifest()
    made.lake.landing_manifest(KEY, PARTITION).unlink()
    assert restore_landing(made.lake, KEY, WINDOW) == before
    assert made.manifest().active == (second,)
    set_aside(made.lake, KEY, PARTITION, {first.attempt: ""})
    made.lake.landing_manifest(KEY, PARTITION).unlink()
    assert restore_landing(made.lake, KEY, WINDOW).active == (first, second)


def test_a_reason_for_an_answer_whose_folder_was_deleted_makes_no_folder(made: MadeLanding) -> None:
    attempt = made.land(BODY)
    folder = made.landed(attempt).parent
    shutil.rmtree(folder)
    set_aside(made.lake, KEY, PARTITION, {attempt.attempt: "it is missing"})
    assert not folder.exists()
    assert [one.unreadable for one in made.manifest().set_aside] == ["it is missing"]


def test_a_manifest_that_gets_answers_again_still_says_who_covers_its_partition(made: MadeLanding) -> None:
    before = Window(WINDOW.start - timedelta(hours=1), WINDOW.start)
    first = made.land(BODY)
    set_aside(made.lake, KEY, PARTITION, {first.attempt: "half of it is missing"})
    mark_covered(made.lake, KEY, [WINDOW], by=before, attempt="any")
    older = made.lake.landing_manifest(KEY, PARTITION).read_bytes()
    second = made.land(BODY)
    made.lake.landing_manifest(KEY, PARTITION).write_bytes(older)
    again = restore_landing(made.lake, KEY, WINDOW)
    assert (again.covered_by, [one.attempt for one in again.attempts]) == (
        before.partition,
        [first.attempt, second.attempt],
    )


@pytest.mark.parametrize("to", [(StreamKey("sfmc", "brand_a", KEY.stream), WINDOW), (KEY, NEXT)])
def test_an_answer_of_another_connection_or_hour_is_never_taken_for_one_of_its_own(
    made: MadeLanding, to: tuple[StreamKey, Window]
) -> None:
    key, window = to
    attempt = made.land(BODY)
    elsewhere = made.lake.landing_dir(key, window.partition)
    shutil.copytree(made.landed(attempt).parent, elsewhere / attempt.attempt)
    assert not lacks_attempts(made.lake, key, window.partition)
    with pytest.raises(LakeError, match="no landing manifest to restore"):
        restore_landing(made.lake, key, window)
    shutil.copy(made.lake.landing_manifest(KEY, PARTITION), elsewhere)
    with pytest.raises(LakeError, match=f"is the manifest of {KEY} {PARTITION}: the folder was copied"):
        read_landing(made.lake, key, window.partition)
    with pytest.raises(LakeError, match="Move it away"):
        restore_landing(made.lake, key, window)


def test_a_partition_is_covered_only_as_long_as_the_answer_that_holds_it_can_be_read(made: MadeLanding) -> None:
    whole = made.land(BODY)
    mark_covered(made.lake, KEY, [NEXT], by=WINDOW, attempt=whole.attempt)
    made.land(b"")  # asked for again by itself, and without the next one
    assert read_holder(made.lake, KEY, NEXT.partition) == made.manifest()
    mark_superseded(made.lake, KEY, PARTITION, [whole.attempt])
    assert read_holder(made.lake, KEY, NEXT.partition) == made.manifest()
    set_aside(made.lake, KEY, PARTITION, {whole.attempt: "half of it is missing"})
    assert made.manifest().active
    assert read_holder(made.lake, KEY, NEXT.partition) is None


def test_an_answer_for_a_day_is_newer_than_those_of_all_days_although_the_clock_was_ahead(tmp_path: Path) -> None:
    first, second = Window(MIDNIGHT, MIDNIGHT + DAY), Window(MIDNIGHT + DAY, MIDNIGHT + 2 * DAY)
    ahead = begin_attempt(Lake(tmp_path), KEY, first, NOON + 365 * DAY).name
    assert begin_attempt(Lake(tmp_path), KEY, second, NOON).name > ahead
