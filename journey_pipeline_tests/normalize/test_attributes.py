from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from journey_pipeline.errors import LakeError
from journey_pipeline.formats.json_scan import CutError
from journey_pipeline.formats.records import AttributeRow
from journey_pipeline.lake.events import find_damage, is_normalized, verify_events
from journey_pipeline_tests.lake.made_landing import KEY, NOTES, PARTITION, MadeLanding, as_csv
from journey_pipeline_tests.reading import read_parquet

NINE = "2026-11-20T09:00:00Z"


@dataclass
class WhoWrote:
    """Of notes: everybody's last text, as an attribute."""

    version: str = "1"

    def read(self, chunks: Iterable[bytes], answers: Sequence[Mapping[str, Any]]) -> Iterator[AttributeRow]:
        lines = b"".join(chunks).decode().splitlines()
        if "the end is missing" in lines[-1]:
            raise CutError("ends too early", at=len(lines))
        section = answers[0].get("section")
        for row in csv.DictReader(lines):
            yield section, row["Who"], "7", None, "text", row["Text"], False


@pytest.fixture
def made(tmp_path: Path) -> MadeLanding:
    return MadeLanding(tmp_path / "home", replace(NOTES, attributes=WhoWrote()))


def notes(**texts: str) -> bytes:
    return as_csv([[f"{who}-{text}", NINE, who, text] for who, text in texts.items()])


def attributes_file(made: MadeLanding) -> Path:
    return made.lake.attributes_file(KEY, PARTITION)


def attributes(made: MadeLanding) -> list[tuple[Any, ...]]:
    return read_parquet(attributes_file(made), "profile_key, value")


def test_attributes_lie_beside_the_events_and_the_manifest_vouches_for_them(made: MadeLanding) -> None:
    made.land(notes(b="later", a="x"))
    manifest = made.normalize()
    assert attributes(made) == [("a", "x"), ("b", "later")]
    assert manifest.attributes is not None
    assert manifest.attributes.rows == 2
    assert verify_events(made.lake, manifest)
    assert read_parquet(attributes_file(made)) == [
        (None, "a", "7", None, "text", "x", False),
        (None, "b", "7", None, "text", "later", False),
    ]


def test_of_rows_with_one_key_the_last_one_counts_over_all_files_of_an_answer(made: MadeLanding) -> None:
    made.land(notes(a="first", b="only"), as_csv([["3", NINE, "a", "second"], ["4", NINE, "a", "third"]]))
    made.normalize()
    assert attributes(made) == [("a", "third"), ("b", "only")]


def test_attributes_are_those_of_the_newest_answer_alone(made: MadeLanding) -> None:
    made.land(notes(a="old", gone="old"))
    made.land(notes(a="new"))
    manifest = made.normalize()
    assert attributes(made) == [("a", "new")]
    assert manifest.events.rows == 3


def test_the_same_landing_gives_the_same_bytes(made: MadeLanding) -> None:
    made.land(notes(**{f"who{number}": "x" for number in range(500)}))
    made.normalize()
    first = attributes_file(made).read_bytes()
    attributes_file(made).unlink()
    made.normalize()
    assert attributes_file(made).read_bytes() == first


def test_an_answer_that_says_nothing_of_people_takes_the_earlier_file_away(made: MadeLanding) -> None:
    made.land(notes(a="x"))
    made.normalize()
    made.land(notes())
    assert made.normalize().attributes is None
    assert not attributes_file(made).exists()


def test_a_stream_without_attributes_writes_none(made: MadeLanding) -> None:
    made.recipe = NOTES
    made.land(notes(a="x"))
    assert made.normalize().attributes is None
    assert not (made.home / "attributes").exists()


@pytest.mark.parametrize("damage", ["missing", "cut off"])
def test_a_damaged_attributes_file_is_named_and_made_again(made: MadeLanding, damage: str) -> None:
    made.land(notes(a="x"))
    made.normalize()
    path = attributes_file(made)
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(content[:-9])
    found = find_damage(made.lake, KEY, PARTITION)
    assert str(path) in found
    assert "journey-pipeline normalize" in found
    assert not is_normalized(made.lake, KEY, PARTITION, made.recipe)
    made.normalize()
    assert path.read_bytes() == content
    assert is_normalized(made.lake, KEY, PARTITION, made.recipe)


def test_another_way_of_reading_attributes_makes_the_partition_anew(made: MadeLanding) -> None:
    made.land(notes(a="x"))
    made.normalize()
    assert not is_normalized(made.lake, KEY, PARTITION, replace(NOTES, attributes=WhoWrote(version="2")))


def test_a_file_whose_attributes_are_cut_leaves_everything_as_it_was_and_is_named(made: MadeLanding) -> None:
    made.land(notes(a="x"))
    made.normalize()
    before = made.files() | {"attributes": attributes_file(made).read_bytes()}
    attempt = made.land(notes(a="y", b="the end is missing"))
    with pytest.raises(LakeError, match=str(made.landed(attempt))):
        made.normalize()
    assert made.files() | {"attributes": attributes_file(made).read_bytes()} == before
