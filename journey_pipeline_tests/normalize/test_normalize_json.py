"""Files that a vendor's own reader reads become events by the same rules as delimited text."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from journey_pipeline.errors import ContractError, LakeError
from journey_pipeline.lake.events import is_normalized, verify_events
from journey_pipeline.model import Window
from journey_pipeline.normalize.landed_file import content_digest
from journey_pipeline.normalize.run import normalize
from journey_pipeline_tests.lake.made_landing import KEY, PARTITION, WINDOW, MadeLanding
from journey_pipeline_tests.normalize.notes_reader import JSON_NOTES, NotesReader
from journey_pipeline_tests.reading import read_parquet

AT = "2026-11-20T09:58:11Z"


@pytest.fixture
def made(tmp_path: Path) -> MadeLanding:
    return MadeLanding(tmp_path / "home", JSON_NOTES)


def note(one: str | None, **more: Any) -> dict[str, Any]:
    return {"Id": one, "At": AT, "Who": f"C-{one}", "Text": "x", **more}


def document(*records: Any) -> bytes:
    return json.dumps({"count": len(records), "notes": records}, ensure_ascii=False).encode()


def land(made: MadeLanding, *records: Any) -> None:
    made.land(document(*records), rows=len(records))


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_every_record_becomes_an_event_that_leads_back_to_it(made: MadeLanding, mark: bytes) -> None:
    odd = 'quote " brace } line\nbreak \x00 😀'
    made.land(mark + document(note("1", Text=odd), note("2", deep={"a": [1, None]})), rows=2)
    manifest = made.normalize()
    assert made.events("contact_id, journey_name, landing_row, split_part(landing_file, '/', 3)") == [
        ("C-1", odd, 1, "part-0.json.gz"),
        ("C-2", "x", 2, "part-0.json.gz"),
    ]
    assert made.events("properties->'deep'")[1] == ('{"a":[1,null]}',)
    assert (manifest.landed, manifest.events.rows, manifest.rejects, manifest.unaccounted) == (2, 2, None, 0)


def test_all_files_of_all_attempts_are_read(made: MadeLanding) -> None:
    made.land(document(note("1"), note("2")), document(note("3")), rows=[2, 1])
    made.land(b'{"Id":"3","At":"%s"}\n{"Id":"4","At":"%s"}\n' % ((AT.encode(),) * 2), rows=2)
    manifest = made.normalize()
    assert made.events("properties->>'Id', contact_id") == [("1", "C-1"), ("2", "C-2"), ("3", None), ("4", None)]
    assert (manifest.landed, manifest.duplicates, manifest.withdrawn, manifest.unaccounted) == (5, 1, 2, 0)


def test_records_of_one_answer_without_an_id_survive_as_often_as_it_says_them(made: MadeLanding) -> None:
    land(made, note(None), note(None))
    land(made, note(None))
    manifest = made.normalize()
    assert (manifest.events.rows, manifest.duplicates, manifest.withdrawn) == (2, 1, 1)


@pytest.mark.parametrize(
    ("record", "reason", "who"),
    [
        (b'{"Id":"9","At":"yesterday","Who":"C-9"}', "unreadable time", "C-9"),
        (b'{"Id":"9","Who":"C-9"}', "unreadable time", "C-9"),
        (b'["no","object"]', "no JSON object", None),
        (b'{"Id" "9"}', "no JSON object", None),
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_record_that_is_no_event_becomes_a_reject_with_its_text_and_reason(
    made: MadeLanding, record: bytes, reason: str, who: str | None, place: int
) -> None:
    records = [json.dumps(note(one)).encode() for one in "12"]
    records.insert(place, record)
    made.land(b"[" + b" , ".join(records) + b"]", rows=3)
    manifest = made.normalize()
    columns = "raw, raw_base64, reason, landing_row, contact_id, event_key is null"
    assert made.rejects(columns) == [(record.decode(), None, reason, place + 1, who, reason == "no JSON object")]
    assert made.events("landing_row") == [(row,) for row in (1, 2, 3) if row != place + 1]
    assert (manifest.landed, manifest.events.rows, manifest.unaccounted) == (3, 2, 0)


def test_faults_of_form_and_refusals_of_the_recipe_are_both_kept(made: MadeLanding) -> None:
    made.land(b'[{"Id":"1","At":"never"},7,{"Id":"2","At":"%s"},"\xff"]' % AT.encode(), rows=4)
    manifest = made.normalize()
    assert made.rejects("reason, landing_row") == [("unreadable time", 1), ("no JSON object", 2), ("no JSON object", 4)]
    ((raw, encoded),) = read_parquet(made.lake.rejects_file(KEY, PARTITION), "raw, raw_base64")[2:]
    assert (raw, base64.b64decode(encoded)) == ('"\ufffd"', b'"\xff"')
    assert manifest.unaccounted == 0


@pytest.mark.slow(reason="tens of thousands of records")
def test_normalizing_again_gives_the_same_bytes(made: MadeLanding) -> None:
    land(made, *[note(str(number), Text="y" * 50) for number in range(30_000)], 7, note("1"))
    manifest = made.normalize()
    before = made.files()
    assert len(before) == 3
    assert made.normalize() == manifest
    assert made.files() == before
    assert verify_events(made.lake, manifest)


def test_fields_that_came_and_fields_that_went_are_told(made: MadeLanding) -> None:
    land(made, note("1", Kind="k"), {**note("2"), "New": {"a": 1}})
    manifest = made.normalize()
    assert (manifest.unknown_columns, manifest.missing_columns) == (("New",), ())
    land(made, {"Id": "3", "At": AT})
    assert made.normalize().missing_columns == ("Who", "Text", "Kind")


def test_constants_fill_in_for_fields_that_were_not_asked_for(made: MadeLanding) -> None:
    made.land(document({"Id": "1", "At": AT, "Who": "C", "Text": "x"}), rows=1, constants={"Kind": "Failed"})
    manifest = made.normalize()
    assert made.events("vendor_action, journey_name") == [("Failed", "x")]
    assert manifest.missing_columns == ()


def test_an_answer_without_records_gives_no_events(made: MadeLanding) -> None:
    land(made)
    manifest = made.normalize()
    assert (manifest.events.rows, manifest.unaccounted, manifest.missing_columns) == (0, 0, ())


def test_a_count_that_differs_from_the_landings_is_reported(made: MadeLanding) -> None:
    made.land(document(note("1")), rows=4)
    assert made.normalize().unaccounted == 3


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (document(note("1"))[:-3], "ends before its last bracket, after"),
        (b"<html>", "does not begin as JSON"),
        (b"", "is empty"),
        (document(note("1", Text="x" * 200_000)), "longer than 100000 bytes"),
    ],
)
def test_a_damaged_file_is_set_aside_with_its_name_and_the_events_are_those_of_the_others(
    made: MadeLanding, body: bytes, message: str
) -> None:
    land(made, note("1"))
    made.normalize()
    before = made.files()
    made.land(body, rows=1)
    assert made.normalize().unreadable_attempts == 1
    (aside,) = made.manifest().set_aside
    assert re.search(f"part-0.json.gz .*{message}.* --again", aside.unreadable, re.DOTALL)
    assert made.files()["events.parquet"] == before["events.parquet"]


def test_where_no_file_can_be_read_what_was_in_place_stays(made: MadeLanding) -> None:
    made.land(b"<html>", rows=1)
    with pytest.raises(LakeError, match="does not begin as JSON"):
        made.normalize()
    assert made.files() == {}


def test_an_answer_that_the_reader_does_not_understand_passes_as_it_is(made: MadeLanding) -> None:
    land(made, note("1"), {"unmappable": 1})
    with pytest.raises(ContractError, match="no time was found") as caught:
        made.normalize()
    assert caught.value.vendor == "sfmc"
    assert [one.unreadable for one in made.manifest().attempts] == [str(caught.value)]
    assert made.files() == {}
    assert list(made.lake.work_dir.iterdir()) == []


def test_an_answer_in_which_there_are_no_records_breaks_the_contract(made: MadeLanding) -> None:
    made.land(b'{"detail":"try later"}', rows=0)
    with pytest.raises(ContractError, match=r"part-0.json.gz .* its members: detail"):
        made.normalize()


@pytest.mark.parametrize("change", [b"\x01", b""])
def test_a_file_that_is_not_what_landed_is_refused(made: MadeLanding, change: bytes) -> None:
    land(made, note("1"))
    path = made.landed(made.manifest().attempts[0])
    path.write_bytes(path.read_bytes()[:-1] + change)
    with pytest.raises(LakeError, match="other content than landed"):
        made.normalize()


def test_a_file_that_does_not_inflate_is_refused(made: MadeLanding) -> None:
    land(made, *[note(str(number)) for number in range(50)])
    file = made.manifest().attempts[0].files[0]
    path = made.landed(made.manifest().attempts[0])
    damaged = path.read_bytes()[:-8] + bytes(8)
    path.write_bytes(damaged)
    manifest = made.lake.landing_manifest(KEY, PARTITION)
    manifest.write_text(manifest.read_text().replace(file.sha256, hashlib.sha256(damaged).hexdigest()))
    with pytest.raises(LakeError, match="can't be inflated"):
        made.normalize()


def test_another_version_of_the_reader_makes_events_anew(made: MadeLanding) -> None:
    land(made, note("1"))
    made.normalize()
    assert is_normalized(made.lake, KEY, PARTITION, made.recipe)
    assert not is_normalized(made.lake, KEY, PARTITION, replace(made.recipe, reader=NotesReader(version="2")))
    assert not is_normalized(made.lake, KEY, PARTITION, replace(made.recipe, reader=None))


def test_events_are_strays_only_outside_of_where_answers_may_reach(made: MadeLanding) -> None:
    days = ("2026-08-01", "2026-11-01", "2026-11-20", "2026-12-01")
    land(made, *[note(day, At=f"{day}T09:30:00Z") for day in days])
    assert made.normalize().outside_window == 3
    reach = Window(WINDOW.start - timedelta(days=90), WINDOW.end)
    manifest = normalize(made.lake, KEY, PARTITION, made.recipe, inside=reach)
    assert (manifest.outside_window, manifest.window) == (2, str(WINDOW))


def test_two_answers_with_the_same_records_in_another_order_say_the_same(made: MadeLanding) -> None:
    bodies = [document(note("1"), note("2")), document(note("2"), note("1")), document(note("1"), note("1"))]
    paths = [made.landed(made.land(body, rows=2)) for body in bodies]
    first, second, third = (content_digest([path], made.recipe) for path in paths)
    assert first == second != third
    assert first.records == 2
