from __future__ import annotations

import hashlib
import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from journey_pipeline.errors import LakeError
from journey_pipeline.lake.events import is_normalized, verify_events
from journey_pipeline.lake.landing import mark_superseded
from journey_pipeline.model import EVENT_COLUMNS, EVENTS_ONLY
from journey_pipeline.normalize.session import NormalizeLimits
from journey_pipeline_tests.lake.made_landing import KEY, NOTES, PARTITION, MadeLanding, as_csv
from journey_pipeline_tests.reading import SESSION

AT = "2026-11-20T09:58:11Z"
MANY = pytest.mark.slow(reason="tens of thousands of records")


def notes(*ids: str, text: str = "x") -> bytes:
    return as_csv([[one, AT, f"C-{one}", text] for one in ids])


def ids(made: MadeLanding) -> list[str]:
    return [one for (one,) in made.events("properties->>'id'")]


def test_the_events_file_has_exactly_the_canonical_columns(made: MadeLanding) -> None:
    made.land(notes("1") + b"short\n")
    made.normalize()
    expected = [(column.name, column.file_type) for column in EVENT_COLUMNS]
    expected = [(name, "TIMESTAMP WITH TIME ZONE" if kind == "TIMESTAMPTZ" else kind) for name, kind in expected]
    # A reject's reason is why it is none, not the event's own.
    extra = [("raw", "VARCHAR"), ("raw_base64", "VARCHAR"), ("reason", "VARCHAR")]
    for path, columns in (
        (made.lake.events_file(KEY, PARTITION), expected),
        (made.lake.rejects_file(KEY, PARTITION), [one for one in expected if one[0] not in EVENTS_ONLY] + extra),
    ):
        assert described(path) == columns


def described(path: Path) -> list[tuple[str, str]]:
    return [row[:2] for row in SESSION.execute("describe from read_parquet(?)", [str(path)]).fetchall()]


def test_every_event_leads_back_to_its_record(made: MadeLanding) -> None:
    first = made.land(notes("1", "2"), notes("3"))
    made.normalize()
    folder = f"{PARTITION}/{first.attempt}"
    assert made.events("landing_file, landing_row, partition_key") == [
        (f"{folder}/part-0.csv.gz", 1, PARTITION),
        (f"{folder}/part-0.csv.gz", 2, PARTITION),
        (f"{folder}/part-1.csv.gz", 1, PARTITION),
    ]


def test_the_key_can_be_computed_again_by_anyone(made: MadeLanding) -> None:
    odd = 'a"\\,|å\n'
    made.land(as_csv([[odd, AT, "C", "x"]]))
    made.normalize()
    text = json.dumps(["brand_b", "journey_history"], separators=(",", ":"))
    text += json.dumps([odd], separators=(",", ":"), ensure_ascii=False)
    assert made.events("event_key") == [(str(uuid.UUID(hashlib.md5(text.encode()).hexdigest())),)]  # noqa: S324


def test_null_and_parts_of_a_key_never_run_together(made: MadeLanding) -> None:
    rows = [["", AT, "a", 'b"'], ["", AT, 'a","b"', ""], ["", AT, "", "a"], ["", AT, "a", ""], ["", AT, "null", "a"]]
    made.land(as_csv(rows))
    assert made.normalize().events.rows == len(rows)


@pytest.mark.parametrize("bodies", [(notes("1", "2", "1"),), (notes("1", "2"), notes("1"))])
def test_of_a_key_that_repeats_the_last_record_stays(made: MadeLanding, bodies: tuple[bytes, ...]) -> None:
    made.land(*bodies[:-1], bodies[-1].replace(b"C-1,x\r\n", b"C-1,new\r\n"))
    manifest = made.normalize()
    assert min(made.events("contact_id, journey_name")) == ("C-1", "new")
    assert (manifest.landed, manifest.events.rows, manifest.duplicates, manifest.unaccounted) == (3, 2, 1, 0)


def test_conflicts_count_keys_with_different_contents_in_one_attempt(made: MadeLanding) -> None:
    rows = [["1", AT, "C", "x"], ["1", AT, "C", "x"], ["2", AT, "C", "x"], ["2", AT, "C", "y"]]
    made.land(as_csv(rows))
    manifest = made.normalize()
    assert (manifest.duplicates, manifest.conflicts) == (2, 1)


def test_different_contents_in_two_attempts_are_no_conflict(made: MadeLanding) -> None:
    made.land(notes("1", text="old"))
    made.land(notes("1", text="new"))
    manifest = made.normalize()
    assert made.events("journey_name") == [("new",)]
    assert manifest.conflicts == 0


def test_records_without_an_id_survive_as_often_as_the_vendor_said_them(made: MadeLanding) -> None:
    twice, once = as_csv([["", AT, "C", "x"]] * 2), as_csv([["", AT, "C", "x"]])
    made.land(twice)
    assert made.normalize().events.rows == 2
    made.land(once)
    manifest = made.normalize()
    assert (manifest.landed, manifest.events.rows, manifest.duplicates, manifest.withdrawn) == (3, 2, 1, 1)
    made.land(as_csv([["", AT, "C", "x"]] * 3))
    manifest = made.normalize()
    assert (manifest.landed, manifest.events.rows, manifest.duplicates, manifest.withdrawn) == (3, 3, 0, 0)


def test_what_the_newest_answer_lacks_is_kept_and_counted_as_withdrawn(made: MadeLanding) -> None:
    made.land(notes("1", "2", "3"))
    made.land(notes("3", "4"))
    manifest = made.normalize()
    assert ids(made) == ["1", "2", "3", "4"]
    assert (manifest.landed, manifest.duplicates, manifest.withdrawn, manifest.unaccounted) == (5, 1, 2, 0)
    assert [attempt.superseded for attempt in made.manifest().attempts] == [False, False]


def test_an_empty_newest_answer_takes_nothing_away(made: MadeLanding) -> None:
    made.land(notes("1", "2"))
    made.land(b"")
    manifest = made.normalize()
    assert (ids(made), manifest.withdrawn) == (["1", "2"], 2)


def test_an_attempt_that_is_wholly_in_a_newer_one_is_superseded(made: MadeLanding) -> None:
    made.land(notes("1", "2"))
    newer = made.land(notes("2", "3", "1"))
    manifest = made.normalize()
    assert [attempt.superseded for attempt in made.manifest().attempts] == [True, False]
    assert manifest.attempts == (newer.attempt,)
    assert (manifest.landed, manifest.events.rows, manifest.duplicates, manifest.unaccounted) == (3, 3, 0, 0)
    assert is_normalized(made.lake, KEY, PARTITION, NOTES)
    before = made.files()
    made.normalize()
    assert made.files() == before


@pytest.mark.parametrize(("reject_again", "superseded"), [(False, False), (True, True)])
def test_an_attempt_with_a_reject_of_its_own_is_not_superseded(
    made: MadeLanding, *, reject_again: bool, superseded: bool
) -> None:
    made.land(notes("1") + b"9,short\r\n")
    made.land(notes("1", "2") + (b"9,short\r\n" if reject_again else b""))
    manifest = made.normalize()
    assert made.manifest().attempts[0].superseded is superseded
    assert manifest.rejects is not None
    assert (manifest.rejects.rows, len(made.rejects())) == (1, 1)
    assert manifest.unaccounted == 0


def test_an_attempt_that_is_not_accounted_for_is_not_superseded(made: MadeLanding) -> None:
    made.land(notes("1"), rows=2)
    made.land(notes("1", "2"))
    assert made.normalize().unaccounted == 1
    assert made.manifest().attempts[0].superseded is False


def test_superseded_attempts_are_not_read_again(made: MadeLanding) -> None:
    older = made.land(notes("1"))
    made.land(notes("1", "2"))
    made.normalize()
    made.landed(older).unlink()
    assert made.normalize().events.rows == 2


def test_an_answer_that_came_again_byte_for_byte_is_read_once(made: MadeLanding) -> None:
    older = made.land(notes("1", "2"), notes("3"))
    other = made.land(notes("4"))
    newer = made.land(notes("1", "2"), notes("3"))
    made.landed(older).unlink()
    manifest = made.normalize()
    assert [attempt.superseded for attempt in made.manifest().attempts] == [True, False, False]
    assert (manifest.attempts, manifest.unreadable_attempts) == ((other.attempt, newer.attempt), 0)
    assert sorted(ids(made)) == ["1", "2", "3", "4"]


def test_an_answer_to_another_question_is_read_though_its_bytes_are_the_same(made: MadeLanding) -> None:
    older = made.land(notes("1"), constants={"Kind": "Sent"})
    made.land(notes("1"), constants={"Kind": "Opened"})
    made.landed(older).unlink()
    assert made.normalize().unreadable_attempts == 1


def test_where_the_newer_of_two_equal_answers_is_damaged_the_older_one_stands(made: MadeLanding) -> None:
    older = made.land(notes("1", "2"))
    newer = made.land(notes("1", "2"))
    made.normalize()
    assert [attempt.superseded for attempt in made.manifest().attempts] == [True, False]
    made.landed(newer).unlink()
    manifest = made.normalize()
    assert (manifest.attempts, manifest.unreadable_attempts) == ((older.attempt,), 1)
    assert sorted(ids(made)) == ["1", "2"]


def test_the_span_of_time_and_strays_are_counted(made: MadeLanding) -> None:
    times = ["2026-11-20T08:59:59.999Z", "2026-11-20T09:00:00Z", "2026-11-20T09:59:59.999999Z", "2026-11-20T10:00:00Z"]
    made.land(as_csv([[str(n), at, "C", "x"] for n, at in enumerate(times)]), estimate_rows=7)
    manifest = made.normalize()
    assert manifest.outside_window == 2
    assert manifest.first_at is not None
    assert manifest.last_at is not None
    assert [manifest.first_at.isoformat(), manifest.last_at.isoformat()] == [
        "2026-11-20T08:59:59.999000+00:00",
        "2026-11-20T10:00:00+00:00",
    ]
    assert manifest.estimate_rows == 7


def test_codes_that_no_table_has_are_counted_by_value(made: MadeLanding, tmp_path: Path) -> None:
    table = tmp_path / "kinds.csv"
    table.write_text("vendor_action,meaning\nsent,x\nfail*,y\n")
    made.recipe = replace(NOTES, codes={"kinds": table})
    rows = [[str(n), AT, kind] for n, kind in enumerate(["SENT", "failed", "Fail-2", "odd", "odd", ""])]
    made.land(as_csv(rows, ["Id", "At", "Kind"]))
    assert made.normalize().unknown_codes == {"vendor_action=odd": 2}


def test_a_column_of_codes_that_went_wrong_does_not_fill_the_manifest(made: MadeLanding, tmp_path: Path) -> None:
    table = tmp_path / "kinds.csv"
    table.write_text("vendor_action,meaning\nsent,x\n")
    made.recipe = replace(NOTES, codes={"kinds": table})
    made.land(as_csv([[str(n), AT, f"{n} " + "x" * 100] for n in range(200)], ["Id", "At", "Kind"]))
    codes = made.normalize().unknown_codes
    assert len(codes) == 51
    assert codes["vendor_action=*"] == 150
    assert max(len(code) for code in codes) <= 80


@pytest.mark.parametrize(
    "limits", [NormalizeLimits(), pytest.param(NormalizeLimits(memory="100MB", keys_at_a_time=7_000), marks=MANY)]
)
@pytest.mark.parametrize(
    "tail",
    [b"", *(pytest.param(tail, marks=MANY) for tail in (b"9,short\r\n", b'"1",2026-11-20T09:58:11Z,again,x\r\n'))],
)
def test_normalizing_again_gives_the_same_bytes(made: MadeLanding, tail: bytes, limits: NormalizeLimits) -> None:
    made.land(notes(*(str(number) for number in range(30_000))) + tail)
    manifest = made.normalize()
    before = made.files()
    assert len(before) == (3 if manifest.rejects else 2)
    assert made.normalize(limits) == manifest
    assert made.files() == before
    assert verify_events(made.lake, manifest)


def test_events_stand_in_the_order_of_the_landing(made: MadeLanding) -> None:
    numbers = [str(number) for number in range(50_000)]
    made.land(notes(*numbers))
    made.land(notes("x"))
    made.normalize()
    assert ids(made) == [*numbers, "x"]


def test_hours_can_be_normalized_at_the_same_time(tmp_path: Path) -> None:
    hours = [MadeLanding(tmp_path / str(number)) for number in range(4)]
    for hour in hours:
        hour.land(notes(*(str(number) for number in range(5_000))))
    with ThreadPoolExecutor(4) as pool:
        manifests = list(pool.map(lambda hour: hour.normalize(), hours))
    assert [manifest.events.rows for manifest in manifests] == [5_000] * 4


def test_one_hour_normalized_twice_at_the_same_time_is_whole(made: MadeLanding) -> None:
    made.land(notes(*(str(number) for number in range(5_000))))
    with ThreadPoolExecutor(3) as pool:
        manifests = list(pool.map(lambda _: made.normalize(), range(3)))
    assert len({manifest.events.sha256 for manifest in manifests}) == 1
    assert verify_events(made.lake, manifests[0])


def test_a_partition_that_has_not_landed_can_not_be_normalized(made: MadeLanding) -> None:
    with pytest.raises(LakeError, match="pull it first"):
        made.normalize()


def test_a_partition_that_another_covers_says_which(made: MadeLanding) -> None:
    made.land(b"")
    path = made.lake.landing_manifest(KEY, PARTITION)
    made.manifest().model_copy(update={"attempts": (), "covered_by": "2026-11-19"}).write(path)
    with pytest.raises(LakeError, match="2026-11-19: normalize that"):
        made.normalize()


def test_events_are_current_only_for_exactly_this_landing_and_recipe(made: MadeLanding) -> None:
    current = lambda: is_normalized(made.lake, KEY, PARTITION, made.recipe)  # noqa: E731 - reads best here
    assert not current()
    made.land(notes("1"))
    assert not current()
    made.normalize()
    assert current()
    first = made.manifest().attempts[0]
    made.land(notes("1", "2"))
    assert not current()
    mark_superseded(made.lake, KEY, PARTITION, {first.attempt})
    made.normalize()
    assert current()
    made.recipe = replace(NOTES, properties={"Id": "Id"})
    assert not current()


@pytest.mark.parametrize("lost", ["events", "rejects"])
def test_events_whose_files_are_not_as_the_manifest_says_are_noticed_and_healed(made: MadeLanding, lost: str) -> None:
    made.land(notes("1") + b"9,short\r\n")
    manifest = made.normalize()
    path = made.lake.events_file(KEY, PARTITION) if lost == "events" else made.lake.rejects_file(KEY, PARTITION)
    whole = path.read_bytes()
    for damaged in (whole[:-1], None, bytes([whole[0] ^ 1]) + whole[1:]):
        path.unlink()
        if damaged is not None:
            path.write_bytes(damaged)
        assert not verify_events(made.lake, manifest)
        same_size = damaged is not None and len(damaged) == len(whole)
        assert is_normalized(made.lake, KEY, PARTITION, NOTES) is same_size
        made.normalize()
        assert verify_events(made.lake, manifest)


def test_a_crash_between_events_and_manifest_is_noticed_and_healed(made: MadeLanding) -> None:
    made.land(notes("1"))
    older = made.normalize()
    old_files = made.files()
    made.land(notes("2"))
    newer = made.normalize()
    new_files = made.files()
    made.lake.events_manifest(KEY, PARTITION).write_bytes(old_files["events.json"])
    assert not verify_events(made.lake, older)
    assert not is_normalized(made.lake, KEY, PARTITION, NOTES)
    assert made.normalize() == newer
    assert made.files() == new_files


def test_nothing_is_left_in_the_folder_for_work(made: MadeLanding) -> None:
    made.land(notes("1", "1") + b"9,short\r\n")
    made.normalize()
    made.land(b"Id\r\n1\r\n")
    assert made.normalize().unreadable_attempts == 1
    assert list(made.lake.work_dir.iterdir()) == []


def test_a_line_break_inside_of_quotes_survives_wherever_a_block_ends(made: MadeLanding) -> None:
    texts = [f"{'x' * (number % 37)}\r\n{number}" for number in range(300)]
    made.land(as_csv([[str(number), "2026-11-20T09:00:00Z", "C-1", text] for number, text in enumerate(texts)]))
    made.normalize(NormalizeLimits(block_bytes=128))
    assert [text for (text,) in made.events("journey_name")] == texts


def test_a_folder_that_another_program_made_in_a_files_place_is_named(made: MadeLanding) -> None:
    made.land(notes("1"))
    place = made.lake.events_file(KEY, PARTITION)
    (place / "_temporary").mkdir(parents=True)
    with pytest.raises(LakeError, match=rf"a folder stands at {place}, where a file goes: move it away"):
        made.normalize()
    place.rename(place.with_name("moved away"))
    made.normalize()
    assert ids(made) == ["1"]
