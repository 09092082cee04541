"""The same records come to the same events whatever the format and the compression of the file that they lie in."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from journey_pipeline.errors import LakeError
from journey_pipeline.normalize.landed_file import content_digest
from journey_pipeline.normalize.session import NormalizeLimits, session
from journey_pipeline.recipe import Recipe
from journey_pipeline_tests.lake.made_landing import NOTES, MadeLanding, as_csv
from journey_pipeline_tests.normalize.notes_reader import JSON_NOTES

PARQUET_NOTES = replace(NOTES, format="parquet")
ROWS = [[str(number), f"2026-11-20T09:{number:02}:00Z", f"p{number % 3}", f"note {number}"] for number in range(40)]
COMPARED = "event_key, occurred_at, contact_id, journey_name, properties, landing_row"


def parquet(table: pa.Table, **options: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file.getvalue()


def notes(**more: list[Any]) -> pa.Table:
    columns = dict(zip(("Id", "At", "Who", "Text"), map(list, zip(*ROWS, strict=True)), strict=True))
    return pa.table({**columns, **more})


def made(home: Path, recipe: Recipe, body: bytes, rows: int = 40, *, packed: bool = True) -> MadeLanding:
    landing = MadeLanding(home, recipe=recipe, packed=packed)
    landing.land(body, rows=rows)
    landing.normalize()
    return landing


def test_a_parquet_file_comes_to_the_events_of_the_csv(tmp_path: Path) -> None:
    csv = made(tmp_path / "csv", NOTES, as_csv(ROWS))
    lying = made(tmp_path / "parquet", PARQUET_NOTES, parquet(notes(), row_group_size=7))
    assert lying.landed(lying.manifest().attempts[0]).name == "part-0.parquet"
    assert lying.events(COMPARED) == csv.events(COMPARED)
    assert lying.events("landing_row")[-1] == (40,)
    alone = lying.files()
    with session(lying.lake, NormalizeLimits()):  # another partition at work: this one is not read ahead
        lying.normalize()
    assert lying.files() == alone


@pytest.mark.parametrize("recipe", [NOTES, JSON_NOTES], ids=["csv", "json"])
def test_a_plain_file_comes_to_the_events_of_the_compressed_one(tmp_path: Path, recipe: Recipe) -> None:
    lines = b"".join(b'{"Id": "%d", "At": "2026-11-20T09:00:%02dZ"}\n' % (number, number) for number in range(40))
    body = lines if recipe.reader else as_csv(ROWS)
    packed = made(tmp_path / "packed", recipe, body)
    plain = made(tmp_path / "plain", recipe, body, packed=False)
    (file,) = plain.manifest().attempts[0].files
    assert file.name == f"part-0.{recipe.format}"
    assert len(plain.events("event_key")) == 40
    assert plain.events(COMPARED) == packed.events(COMPARED)


def test_values_of_every_type_are_told_as_text_and_unknown_columns_are_kept(tmp_path: Path) -> None:
    table = pa.table(
        {
            "Id": pa.array([7], pa.int64()),
            "at": pa.array([datetime(2026, 11, 20, 9, 5, tzinfo=UTC)], pa.timestamp("us", "UTC")),
            "Who": pa.array([b"p\xc3\xa9"], pa.binary()),
            "Text": pa.array([""], pa.string()),
            "score": pa.array([1.5]),
            "price": pa.array([Decimal("3.10")]),
            "is_dry_run": pa.array([False]),
            "tags": pa.array([["a", "b"]]),
            'odd "name"': pa.array([{"x": 1}]),
            "nothing": pa.array([None], pa.string()),
        }
    )
    lying = made(tmp_path / "home", PARQUET_NOTES, parquet(table), rows=1)
    at = datetime(2026, 11, 20, 9, 5, tzinfo=UTC)
    ((_, occurred_at, who, text, properties, _),) = lying.events(COMPARED)
    assert (occurred_at, who, text) == (at, "pé", None)
    assert properties == (
        '{"id":"7","score":"1.5","price":"3.10","is_dry_run":"false","tags":"[\\"a\\",\\"b\\"]",'
        '"odd \\"name\\"":"{\\"x\\":1}"}'
    )
    manifest = lying.normalize()
    assert manifest.respelled_columns == ("at",)
    assert "tags" in manifest.unknown_columns


def test_a_row_that_is_no_event_is_a_reject_with_all_of_it(tmp_path: Path) -> None:
    table = notes().set_column(1, "At", pa.array(["never", *(row[1] for row in ROWS[1:])]))
    lying = made(tmp_path / "home", PARQUET_NOTES, parquet(table))
    assert len(lying.events("event_key")) == 39
    ((raw, reason, row),) = lying.rejects("raw, reason, landing_row")
    assert (raw, reason, row) == ('{"Id":"0","At":"never","Who":"p0","Text":"note 0"}', "unreadable time", 1)


def test_a_parquet_file_without_rows_or_with_a_broken_page_says_so(tmp_path: Path) -> None:
    empty = made(tmp_path / "empty", PARQUET_NOTES, parquet(notes().slice(0, 0)), rows=0)
    assert empty.events("event_key") == []
    body = bytearray(parquet(notes(), compression="gzip"))
    body[4:200] = bytes(196)
    with pytest.raises(LakeError, match="can't be read as Parquet"):
        made(tmp_path / "broken", PARQUET_NOTES, bytes(body))
    with pytest.raises(LakeError, match="has no column At"):
        made(tmp_path / "lacking", PARQUET_NOTES, parquet(notes().drop_columns(["At"])))


def test_a_parquet_file_that_takes_more_memory_than_there_is_is_whole_all_the_same(tmp_path: Path) -> None:
    count = 100_000
    large = [f"{number * 2_654_435_761 % 2**32:x}" * 60 for number in range(count)]
    ids, at = [str(number) for number in range(count)], ["2026-11-20T09:00:00Z"] * count
    landing = MadeLanding(tmp_path, recipe=PARQUET_NOTES)
    landing.land(parquet(pa.table({"Id": ids, "At": at, "Who": large}), row_group_size=count), rows=count)
    with pytest.raises(LakeError, match=r"ran out of the 12MB .* what landed is whole"):
        landing.normalize(NormalizeLimits(memory="12MB"))
    assert [attempt.unreadable for attempt in landing.manifest().attempts] == [""]


def test_what_parquet_files_say_is_compared_without_their_order(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("one.parquet", "other.parquet", "less.parquet")]
    table = notes()
    for file, content in zip(files, (table, table.take(list(reversed(range(40)))), table.slice(1)), strict=True):
        file.write_bytes(parquet(content))
    one, other, less = (content_digest([file], PARQUET_NOTES) for file in files)
    assert one == other
    assert (one.records, less.records) == (40, 39)
