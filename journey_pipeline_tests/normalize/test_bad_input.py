"""What becomes of files that are not as they should be: an event, a reject or an error, and nothing silently else."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from journey_pipeline.errors import LakeError
from journey_pipeline.normalize.session import NormalizeLimits
from journey_pipeline_tests.lake.made_landing import KEY, PARTITION, MadeLanding, as_csv

HEADER = b"Id,At,Who,Text\r\n"
TWO = b'1,2026-11-20T09:58:11Z,C-1,"a, b"\r\n2,2026-11-20T09:58:12Z,C-2,"line\r\nbreak"\r\n'
BOTH = [("C-1", "a, b"), ("C-2", "line\r\nbreak")]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (HEADER + TWO, BOTH),
        (b"\xef\xbb\xbf" + HEADER + TWO, BOTH),
        ((HEADER + TWO).replace(b"\r\n", b"\n"), [BOTH[0], ("C-2", "line\nbreak")]),
        ((HEADER + TWO).replace(b"\r\n", b"\r"), [BOTH[0], ("C-2", "line\rbreak")]),
        ((HEADER + TWO).rstrip(), BOTH),
        (b"\n" + HEADER + b"\r\n" + TWO + b"\r\n\r\n", BOTH),
        (HEADER + b"3,2026-11-20T09:58:13Z,C\x00D,\x00\r\n" + TWO, [("C\x00D", "\x00"), *BOTH]),
        (HEADER + b'3,2026-11-20T09:58:13Z,C-3,he said "hi" there\r\n', [("C-3", 'he said "hi" there')]),
        (HEADER + b'3,2026-11-20T09:58:13Z,C-3,one " alone\r\n' + TWO, [("C-3", 'one " alone'), *BOTH]),
        (HEADER + b'3,2026-11-20T09:58:13Z,"","x"y\r\n', [(None, "xy")]),
        (b'Text,"Who",At,Id\n"a, b",C-1,2026-11-20T09:58:11Z,1\n', BOTH[:1]),
        (HEADER, []),
        (HEADER.rstrip(), []),
        (b"", []),
    ],
    ids=[
        "CRLF", "BOM", "LF", "CR", "no last newline", "blank lines", "NUL", "quotes in a bare field",
        "one quote in a bare field", "text after a closing quote", "columns in another order", "header only",
        "header without newline", "zero bytes",
    ],
)  # fmt: skip
def test_odd_but_whole_files_are_read_exactly(
    made: MadeLanding, body: bytes, expected: list[tuple[str | None, str]]
) -> None:
    made.land(body)
    manifest = made.normalize()
    assert made.events("contact_id, journey_name") == expected
    assert (manifest.events.rows, manifest.rejects, manifest.unaccounted) == (len(expected), None, 0)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (b"9,2026-11-20T09:58:11Z,C", "too few fields: 3 of 4"),
        (b"9,2026-11-20T09:58:11Z,C,x,y", "too many fields: 5 of 4"),
        (b"9,yesterday,C,x", "unreadable time"),
        (b"9,,C,x", "unreadable time"),
        (b'9,yesterday,C,"two\r\nlines"', "unreadable time"),
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_record_that_is_no_event_becomes_a_reject_where_it_stands(
    made: MadeLanding, record: bytes, reason: str, place: int
) -> None:
    records = [b"1,2026-11-20T09:58:11Z,C-1,x", b"2,2026-11-20T09:58:12Z,C-2,y"]
    records.insert(place, record)
    made.land(HEADER + b"\r\n".join(records))
    manifest = made.normalize()
    assert made.rejects("raw, raw_base64, reason, landing_row") == [(record.decode(), None, reason, place + 1)]
    assert made.events("landing_row") == [(row,) for row in (1, 2, 3) if row != place + 1]
    assert (manifest.landed, manifest.events.rows, manifest.unaccounted) == (3, 2, 0)
    assert manifest.rejects is not None
    assert manifest.rejects.rows == 1


@pytest.mark.parametrize(
    ("record", "reason", "who"),
    [
        (b"9,2026-11-20T09:58:11Z,C\xff\xfe,x", "not UTF-8", "C\ufffd\ufffd"),
        (b"9,2026-11-20T09:58:11Z,C\xff\xfe", "too few fields: 3 of 4", None),
    ],
)
def test_bytes_that_are_not_utf8_are_kept_as_bytes(
    made: MadeLanding, record: bytes, reason: str, who: str | None
) -> None:
    made.land(HEADER + record + b"\r\n" + TWO)
    made.normalize()
    assert made.events("contact_id, journey_name") == BOTH
    ((raw, encoded, why, contact),) = made.rejects("raw, raw_base64, reason, contact_id")
    assert (why, contact) == (reason, who)
    assert base64.b64decode(encoded) == record
    assert raw == record.decode(errors="replace")


def test_a_tail_that_an_unclosed_quote_swallowed_is_a_reject_and_no_event(made: MadeLanding) -> None:
    made.land(HEADER + TWO + b'3,2026-11-20T09:58:13Z,C-3,"open\r\n4,2026-11-20T09:58:14Z,C-4,x\r\n', rows=4)
    manifest = made.normalize()
    assert made.events("contact_id, journey_name") == BOTH
    assert made.rejects("raw, reason") == [
        (
            '3,2026-11-20T09:58:13Z,C-3,"open\r\n4,2026-11-20T09:58:14Z,C-4,x\r\n',
            "a quote is opened and never closed",
        )
    ]
    assert manifest.unaccounted == 1


def test_every_reject_keeps_what_could_be_read_of_it(made: MadeLanding) -> None:
    made.land(HEADER + b"9,yesterday,C-9,x\r\n8,2026-11-20T09:58:11Z\r\n")
    made.normalize()
    columns = "event_key is null, connection, occurred_at, contact_id, journey_name, properties, partition_key"
    assert made.rejects(columns) == [
        (False, "brand_b", None, "C-9", "x", '{"id":"9"}', "2026-11-20T09"),
        (True, "brand_b", None, None, None, "{}", "2026-11-20T09"),
    ]


def test_rejects_vanish_when_the_next_landing_has_none(made: MadeLanding) -> None:
    made.land(HEADER + b"9,yesterday,C,x\r\n")
    assert made.normalize().rejects is not None
    always = "'2026-11-20T09:00:00Z'::timestamptz"
    made.recipe = replace(made.recipe, sql=made.recipe.sql.replace('try_cast("At" as timestamptz)', always))
    assert made.normalize().rejects is None
    assert made.rejects() == []


def test_columns_that_the_recipe_does_not_know_are_kept_under_their_own_names(made: MadeLanding) -> None:
    made.land(as_csv([["1", "2026-11-20T09:00:00Z", "n", "", "z", "k"]], ["Id", "At", "New", "Empty", "id", 'Odd "é"']))
    manifest = made.normalize()
    assert made.events("properties") == [('{"id":"1","New":"n","id#2":"z","Odd \\"é\\"":"k"}',)]
    assert manifest.unknown_columns == ("New", "Empty", "id", 'Odd "é"')
    assert manifest.missing_columns == ("Who", "Text", "Kind")


def test_of_two_columns_with_one_name_both_values_are_kept(made: MadeLanding) -> None:
    made.land(b"Id,At,X,X,Id\r\n1,2026-11-20T09:00:00Z,a,b,c\r\n")
    made.normalize()
    assert made.events("properties") == [('{"id":"1","X":"a","X#2":"b","Id":"c"}',)]


def test_constants_fill_in_for_columns_that_were_not_downloaded(made: MadeLanding) -> None:
    made.land(as_csv([["1", "2026-11-20T09:00:00Z", "C", "x"]]), constants={"Kind": "Failed", "Text": "not used"})
    manifest = made.normalize()
    assert made.events("vendor_action, journey_name") == [("Failed", "x")]
    assert manifest.missing_columns == ()


def test_a_file_without_its_key_columns_is_refused(made: MadeLanding) -> None:
    made.land(b"Id,Who\r\n1,C\r\n")
    with pytest.raises(LakeError, match="has no column At"):
        made.normalize()


@pytest.mark.parametrize("body", [b"x" * 2_000_000, b'"never closed' + b"\n" * 2_000_000, b"\xff\xfe\n1\n"])
def test_a_file_without_a_readable_header_is_refused(made: MadeLanding, body: bytes) -> None:
    made.land(body, rows=0)
    with pytest.raises(LakeError, match="no readable header"):
        made.normalize()


@pytest.mark.parametrize("quote", [b'"', b""], ids=["quoted", "bare"])
def test_a_field_of_20_mb_is_read_whole(made: MadeLanding, quote: bytes) -> None:
    text = quote + b"x" * 20_000_000 + quote
    made.land(HEADER + b"3,2026-11-20T09:58:11Z,C-3," + text + b"\r\n" + TWO, rows=3)
    made.normalize()
    assert made.events("length(journey_name)") == [(20_000_000,), (4,), (11,)]


@pytest.mark.parametrize("irregular", [b"", b"9,short\r\n"])
def test_a_record_above_the_limit_names_the_setting(made: MadeLanding, irregular: bytes) -> None:
    made.land(HEADER + irregular + b"3,2026-11-20T09:58:11Z,C-3," + b"x" * 300_000 + b"\r\n", rows=1)
    with pytest.raises(LakeError, match="longest_record_bytes"):
        made.normalize(NormalizeLimits(block_bytes=1 << 14, longest_record_bytes=1 << 17))
    made.normalize(NormalizeLimits(block_bytes=1 << 14, longest_record_bytes=1 << 20))
    assert made.events("length(journey_name)") == [(300_000,)]


def damage_missing(path: Path) -> None:
    path.unlink()


def damage_cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def damage_changed(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")


@pytest.mark.parametrize("damage", [damage_missing, damage_cut, damage_changed])
def test_a_landed_file_that_is_not_what_landed_is_refused_and_the_events_stay(
    made: MadeLanding, damage: object
) -> None:
    attempt = made.land(HEADER + TWO)
    made.normalize()
    before = made.files()
    assert callable(damage)
    damage(made.landed(attempt))
    with pytest.raises(LakeError, match="--again"):
        made.normalize()
    assert made.files() == before


def test_a_landed_file_that_does_not_inflate_is_refused(made: MadeLanding) -> None:
    attempt = made.land(HEADER + TWO * 50, rows=100)
    path = made.landed(attempt)
    damaged = path.read_bytes()[:-8] + bytes(8)  # as if it had come so and the download had not been checked
    path.write_bytes(damaged)
    manifest = made.lake.landing_manifest(KEY, PARTITION)
    digest = hashlib.sha256(damaged).hexdigest()
    manifest.write_text(manifest.read_text().replace(attempt.files[0].sha256, digest))
    with pytest.raises(LakeError, match="can't be inflated"):
        made.normalize()


def test_a_count_that_differs_from_the_landings_is_reported_and_the_events_are_made(made: MadeLanding) -> None:
    made.land(HEADER + TWO, rows=5)
    manifest = made.normalize()
    assert (manifest.landed, manifest.events.rows, manifest.unaccounted) == (5, 2, 3)
