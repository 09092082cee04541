"""A recipe that expects repeats gives what any other gives: the same events, in the same order, counted alike."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from journey_pipeline.lake.events import is_normalized
from journey_pipeline.lake.layout import Lake
from journey_pipeline.normalize.deduplication import repeated_keys
from journey_pipeline.normalize.session import NormalizeLimits, session
from journey_pipeline_tests.lake.made_landing import KEY, NOTES, PARTITION, MadeLanding, as_csv

pytestmark = pytest.mark.slow(reason="many exports are normalized")

AT = "2026-11-20T09:58:11Z"
USUAL = replace(NOTES, repeats_are_usual=True)
MANY = [str(number) for number in range(30_000)]


def note(one: str, text: str = "x") -> list[str]:
    return [one, AT, "C", text]


def without_id(text: str) -> list[str]:
    return note("", text)


# One answer after the other, each the records of its one file.
ANSWERS: dict[str, Sequence[Sequence[list[str]]]] = {
    "nothing": [[]],
    "no repeat": [[note("1"), without_id("a"), note("2")]],
    "a repeat": [[note("1", "old"), note("2"), note("1", "new"), note("3")]],
    "a repeat far away": [[*map(note, MANY), note("7", "new")]],
    "a repeat of a repeat": [[note("1"), note("1"), note("2"), note("1", "new")]],
    "records without an id": [[without_id("a"), note("1"), *[without_id("a")] * 2, without_id("b")]],
    "both": [[without_id("a"), note("1"), without_id("a"), note("1")]],
    "two answers": [[note("1"), note("2", "old")], [note("2", "new"), note("3")]],
    "two answers that share nothing": [[note("1")], [note("2")]],
    "two answers with repeats of their own": [
        [note("1"), note("1", "y"), note("2")],
        [note("3"), note("1"), note("3")],
    ],
    "fewer without an id": [[*[without_id("a")] * 3, note("1")], [*[without_id("a")] * 2]],
    "more without an id": [[*[without_id("a")] * 2, note("1")], [*[without_id("a")] * 3]],
    "an answer within the next": [[note("1"), without_id("a")], [without_id("a"), note("2"), note("1"), note("2")]],
    "an empty answer last": [[note("1"), note("1")], []],
    "three answers": [[note("1"), note("2")], [note("2"), note("3")], [note("3"), note("4"), note("4", "y")]],
}


@pytest.mark.parametrize("answers", ANSWERS.values(), ids=ANSWERS)
def test_expecting_repeats_changes_nothing_of_the_events(tmp_path: Path, answers: Sequence[list[list[str]]]) -> None:
    made = MadeLanding(tmp_path / "plain")
    for records in answers:
        made.land(as_csv(records))
    usual = MadeLanding(shutil.copytree(made.home, tmp_path / "usual"), USUAL)
    manifest, expected = usual.normalize(), made.normalize()
    assert manifest.model_dump(exclude={"events"}) == expected.model_dump(exclude={"events"})
    assert (manifest.events.rows, usual.events()) == (expected.events.rows, made.events())


def test_a_key_comes_once_where_repeats_are_expected(tmp_path: Path) -> None:
    made = MadeLanding(tmp_path, USUAL)
    made.land(as_csv([note("1", "old"), without_id("a"), note("2"), without_id("a"), note("1", "new")]))
    manifest = made.normalize()
    assert made.events("properties->>'id', journey_name") == [(None, "a"), ("2", "x"), (None, "a"), ("1", "new")]
    assert made.events("count(distinct event_key)") == [(4,)]
    assert (manifest.landed, manifest.duplicates, manifest.conflicts) == (5, 1, 1)


def test_a_record_with_the_key_of_one_without_an_id_is_the_same_event(tmp_path: Path) -> None:
    """Keys are of all records, whichever way they were made: here both are made of the text."""
    keyed = """case when "Id" is null then ["At", "Who", "Text"] else ["Id"] end as key_fields"""
    assert keyed in NOTES.sql
    made = MadeLanding(tmp_path, replace(USUAL, sql=NOTES.sql.replace(keyed, '["Text"] as key_fields')))
    made.land(as_csv([without_id("a"), without_id("a"), note("1", "a"), note("2", "b")]))
    made.normalize()
    assert made.events("properties->>'id'") == [(None,), ("1",), ("2",)]


def test_events_stand_in_the_order_of_the_landing_where_repeats_are_expected(tmp_path: Path) -> None:
    made = MadeLanding(tmp_path, USUAL)
    made.land(as_csv([*map(note, MANY), *map(note, MANY[10:20]), note("x")]))
    made.normalize()
    assert [one for (one,) in made.events("properties->>'id'")] == [*MANY[:10], *MANY[20:], *MANY[10:20], "x"]


@pytest.mark.parametrize("again", [(), ("7", "29999")], ids=["no repeat", "repeats"])
def test_normalizing_again_gives_the_same_bytes_where_repeats_are_expected(
    tmp_path: Path, again: tuple[str, ...]
) -> None:
    made = MadeLanding(tmp_path, USUAL)
    made.land(as_csv([*map(note, MANY), *map(note, again)]))
    manifest = made.normalize()
    before = made.files()
    assert made.normalize(NormalizeLimits(keys_at_a_time=10_000)) == manifest
    assert made.files() == before


def test_repeated_keys_are_found_in_less_memory_than_all_keys_need(tmp_path: Path) -> None:
    """All at once need more than these 30 MB."""
    keys, lake = tmp_path / "keys.parquet", Lake(tmp_path)
    with session(lake, NormalizeLimits()) as opened:
        opened.copy("select md5((number % 299_999)::varchar) as event_key from range(300_000) as rows(number)", keys)
    with session(lake, NormalizeLimits(memory="30MB", keys_at_a_time=100_000)) as opened:
        assert repeated_keys(opened, keys, 300_000) == 1


def test_events_that_are_there_stay_current_when_a_vendor_is_found_to_repeat(tmp_path: Path) -> None:
    made = MadeLanding(tmp_path)
    made.land(as_csv([note("1"), note("1")]))
    made.normalize()
    assert USUAL.digest == NOTES.digest
    assert is_normalized(made.lake, KEY, PARTITION, USUAL)
