"""An answer that can't be read is set aside: the others make the events, and nothing that was there goes."""

from __future__ import annotations

import shutil

import pytest

from journey_pipeline.errors import LakeError
from journey_pipeline.lake.landing import read_landing, restore_landing, set_aside
from journey_pipeline.lake.manifest import Attempt
from journey_pipeline.model import partition_window
from journey_pipeline.normalize.session import NormalizeLimits
from journey_pipeline_tests.lake.made_landing import KEY, PARTITION, MadeLanding, as_csv


def line(key: str, text: str = "x") -> list[str]:
    return [key, "2026-11-20T09:00:00Z", "C-1", text]


def keys(made: MadeLanding) -> list[str]:
    return sorted(key for (key,) in made.events("properties ->> 'id'"))


def damage(made: MadeLanding, attempt: Attempt) -> bytes:
    path = made.landed(attempt)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return content


def reasons(made: MadeLanding) -> dict[str, str]:
    landing = read_landing(made.lake, KEY, PARTITION)
    assert landing
    return {one.attempt: one.unreadable for one in landing.set_aside}


def test_events_are_made_of_the_answers_that_can_be_read(made: MadeLanding) -> None:
    broken, _ = made.land(as_csv([line("1")])), made.land(as_csv([line("2")]))
    damage(made, broken)
    manifest = made.normalize()
    assert keys(made) == ["2"]
    assert (manifest.landed, manifest.unaccounted, manifest.unreadable_attempts) == (1, 0, 1)
    assert "part-0.csv.gz" in reasons(made)[broken.attempt]
    assert made.landed(broken).exists()


def test_a_record_past_the_limit_costs_its_own_answer_alone(made: MadeLanding) -> None:
    made.land(as_csv([line("1")]))
    long = made.land(as_csv([line("2", "y" * 5000)]))
    made.normalize(limits=NormalizeLimits(longest_record_bytes=1000, block_bytes=512))
    assert keys(made) == ["1"]
    assert list(reasons(made)) == [long.attempt]


def test_events_made_of_an_answer_before_it_was_damaged_are_kept(made: MadeLanding) -> None:
    first = made.land(as_csv([line("1"), line("2"), ["3", "no time", "C", "x"]]))
    made.normalize()
    damage(made, first)
    made.land(as_csv([line("2"), line("4")]))
    for _ in range(2):  # and again, when the attempt is set aside already
        manifest = made.normalize()
        assert keys(made) == ["1", "2", "4"]
        assert (manifest.landed, manifest.kept_events, manifest.kept_rejects, manifest.unaccounted) == (2, 1, 1, 0)
        assert manifest.events.rows == 3
        assert manifest.rejects
        assert manifest.rejects.rows == 1


def test_what_is_in_place_stays_where_no_answer_can_be_read_and_the_error_says_why(made: MadeLanding) -> None:
    only = made.land(as_csv([line("1")]))
    made.normalize()
    damage(made, only)
    with pytest.raises(LakeError, match=r"part-0\.csv\.gz"):
        made.normalize()
    assert keys(made) == ["1"]
    assert list(reasons(made)) == [only.attempt]


def test_an_answer_that_was_restored_counts_again(made: MadeLanding) -> None:
    first, _ = made.land(as_csv([line("1")])), made.land(as_csv([line("2")]))
    content = damage(made, first)
    made.normalize()
    made.landed(first).write_bytes(content)
    manifest = made.normalize()
    assert keys(made) == ["1", "2"]
    assert (manifest.kept_events, manifest.unreadable_attempts) == (0, 0)
    assert reasons(made) == {}


def test_an_answer_that_was_superseded_counts_again_when_the_one_that_superseded_it_is_damaged(
    made: MadeLanding,
) -> None:
    made.land(as_csv([line("1")]))
    newer = made.land(as_csv([line("1"), line("2")]))
    made.normalize()
    assert len(made.manifest().active) == 1
    damage(made, newer)
    for path in made.lake.events_root.rglob("*.*"):
        path.unlink()  # as where raw/ alone was restored
    manifest = made.normalize()
    assert keys(made) == ["1"]
    assert (manifest.events.rows, manifest.unreadable_attempts) == (1, 1)


def test_an_answer_set_aside_lets_those_count_again_that_it_had_superseded(made: MadeLanding) -> None:
    older = made.land(as_csv([line("1")]))
    newer = made.land(as_csv([line("1"), line("2")]))
    made.normalize()
    set_aside(made.lake, KEY, PARTITION, {newer.attempt: "a bit has flipped"})
    assert [one.attempt for one in made.manifest().active] == [older.attempt]


def test_of_two_damaged_answers_both_are_set_aside_at_once_although_one_was_superseded(made: MadeLanding) -> None:
    older = made.land(as_csv([line("1")]))
    newer = made.land(as_csv([line("1"), line("2")]))
    made.normalize()
    damage(made, older)
    damage(made, newer)
    last = made.land(as_csv([line("3")]))
    assert made.normalize().unreadable_attempts == 2
    assert list(reasons(made)) == [older.attempt, newer.attempt]
    assert [one.attempt for one in made.manifest().active] == [last.attempt]
    assert keys(made) == ["1", "2", "3"]


def test_events_of_an_answer_that_is_gone_with_its_notes_are_kept(made: MadeLanding) -> None:
    made.land(as_csv([line("1"), line("2"), ["3", "no time", "C", "x"]]))
    made.normalize()
    shutil.rmtree(made.lake.home / "raw")  # a disk that was not mounted while the next answer landed
    made.land(as_csv([line("2"), line("4")]))
    for _ in range(2):  # and again, when nothing but the events themselves tells of that answer
        manifest = made.normalize()
        assert keys(made) == ["1", "2", "4"]
        assert (manifest.landed, manifest.kept_events, manifest.kept_rejects, manifest.unaccounted) == (2, 1, 1, 0)


def test_an_answer_that_comes_back_is_the_one_that_its_events_are_made_of(made: MadeLanding) -> None:
    made.land(as_csv([line("1")]))
    made.normalize()
    (made.lake.home / "raw").rename(made.lake.home / "elsewhere")
    made.land(as_csv([line("2")]))
    made.normalize()
    shutil.copytree(made.lake.home / "elsewhere", made.lake.home / "raw", dirs_exist_ok=True)
    restore_landing(made.lake, KEY, partition_window(PARTITION))
    manifest = made.normalize()
    assert keys(made) == ["1", "2"]
    assert (manifest.landed, manifest.kept_events) == (2, 0)
