"""Bad records among good ones, and odd files that are whole: the good arrive, the bad are kept with their reason."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest

from journey_pipeline.errors import LakeError
from journey_pipeline.loading.claims import Severity
from journey_pipeline.loading.partition import LoadSettings
from journey_pipeline.normalize.session import NormalizeLimits
from journey_pipeline.vendors.sfmc.journey_history.stream import DEFAULT_COLUMNS
from journey_pipeline_tests.bad_input.bad_vendor import HOUR, PERSON, STREAM, BadVendor, Line, assert_says, row, table
from journey_pipeline_tests.reading import read_parquet

pytestmark = pytest.mark.slow(reason="each bad record goes from HTTP to the lake, and some to the warehouse")

HEADER, FIRST, SECOND = table([row(1), row(2)]).splitlines()
NINTH = table([row(9)]).splitlines()[1]
TWENTY_MB = 20_000_000


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        pytest.param(f"id-9,{PERSON}".encode(), "too few fields: 2 of 24", id="too few fields"),
        pytest.param(NINTH + b",,more", "too many fields: 26 of 24", id="too many fields"),
        pytest.param(NINTH.replace(b"2026-11-20", b"2026-02-30"), "unreadable time", id="an impossible date"),
        pytest.param(NINTH.replace(b"T05:09", b"T25:61"), "unreadable time", id="an impossible hour"),
        pytest.param(NINTH.replace(b"2026-11-20T05:09:00.000Z", b""), "no time", id="no time"),
        pytest.param(NINTH.replace(b"Welcome", b"Wel\xffcome"), "not UTF-8", id="bytes that are not UTF-8"),
    ],
)
def test_a_bad_record_is_kept_with_its_text_and_reason_and_the_good_ones_beside_it_arrive(
    line: Line, vendor: BadVendor, bad: bytes, reason: str
) -> None:
    vendor.gives(b"\n".join([HEADER, FIRST, bad, SECOND, b""]), rows=3)
    manifest = line.arrived()
    assert (manifest.landed, manifest.events.rows, manifest.duplicates) == (3, 2, 0)
    assert line.ids() == ["id-1", "id-2"]
    rejects = line.lake.rejects_file(STREAM.key, HOUR.partition)
    ((raw, encoded, said, number),) = read_parquet(rejects, "raw, raw_base64, reason, landing_row")
    assert (base64.b64decode(encoded) if encoded else raw.encode()) == bad
    assert (said, number) == (reason, 2)


def test_a_bad_record_that_the_vendor_corrects_becomes_an_event_and_stays_in_the_landing(
    line: Line, vendor: BadVendor
) -> None:
    vendor.gives(b"\n".join([HEADER, FIRST, NINTH.replace(b"2026-11-20", b"2026-02-30"), b""]), rows=2)
    line.arrived()
    vendor.gives(b"\n".join([HEADER, FIRST, NINTH, b""]), rows=2)
    line.arrived()
    assert line.ids() == ["id-1", "id-9"]
    assert len(list((line.lake.home / "raw").rglob("part-0.csv.gz"))) == 2


GOOD = table([row(1), row(2)])
BACKWARDS = table([row(number)[::-1] for number in (1, 2)], DEFAULT_COLUMNS[::-1])


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"\xef\xbb\xbf" + GOOD, id="a byte order mark"),
        pytest.param(table([row(1), row(2)], line_end="\r\n"), id="CR LF"),
        pytest.param(table([row(1), row(2)], line_end="\r"), id="CR"),
        pytest.param(GOOD.rstrip(b"\n"), id="no last line end"),
        pytest.param(GOOD.replace(b"\n", b"\n\n"), id="blank lines"),
        pytest.param(BACKWARDS, id="columns in another order"),
        pytest.param(b"\xef\xbb\xbf" + BACKWARDS.replace(b"\n", b"\r\n"), id="all of it"),
    ],
)
def test_an_odd_file_that_is_whole_arrives_as_it_is(line: Line, vendor: BadVendor, body: bytes) -> None:
    vendor.gives(body, rows=2)
    line.arrived()
    assert line.events("properties ->> '$.id', occurred_at::varchar, contact_id, journey_name") == [
        (f"id-{number}", f"2026-11-20 05:0{number}:00+00", f"{PERSON}-{number}", "Welcome") for number in (1, 2)
    ]


def test_a_column_more_is_kept_named_and_warned_of(line: Line, vendor: BadVendor) -> None:
    vendor.gives(table([[*row(1), "blue"]], [*DEFAULT_COLUMNS, "Fresh"]), rows=1)
    (outcome,) = line.load()
    assert line.events("properties ->> '$.Fresh'") == [("blue",)]
    (claim,) = (claim for claim in outcome.claims if not claim.holds)
    assert claim.name == "schema_is_known"
    assert "unknown columns: Fresh; kept in properties" in claim.says


@pytest.mark.parametrize("respell", [str.lower, str.upper, lambda name: f" {name} "])
def test_a_header_in_another_case_or_with_blanks_is_read_and_warned_of(
    line: Line, vendor: BadVendor, respell: Callable[[str], str]
) -> None:
    vendor.gives(table([row(1), row(2)], [respell(name) for name in DEFAULT_COLUMNS]), rows=2)
    (outcome,) = line.load()
    assert line.ids() == ["id-1", "id-2"]
    (claim,) = (claim for claim in outcome.claims if not claim.holds)
    assert (claim.name, claim.severity) == ("schema_is_known", Severity.WARN)
    assert respell("ContactKey") in claim.says


def test_nul_is_a_character_like_any_other(line: Line, vendor: BadVendor) -> None:
    odd = row(9, DefinitionName="Wel\x00come", Message="\x00", ContactKey="\x00a")
    vendor.gives(table([row(1), odd, row(2)]), rows=3)
    line.arrived()
    assert line.sync().broken == ()
    found = line.ask(
        "select journey_name, contact_id, json_extract_string(properties, '$.message') from core.journey_events "
        "where properties ->> '$.id' = 'id-9'"
    )
    assert found == [("Wel\x00come", "\x00a", "\x00")]
    assert line.ids_in_warehouse() == ["id-1", "id-2", "id-9"]


def test_a_field_of_20_mb_arrives_whole(line: Line, vendor: BadVendor) -> None:
    vendor.gives(table([row(1), row(9, Message="x" * TWENTY_MB), row(2)]), rows=3)
    line.arrived()
    assert line.sync().broken == ()
    assert line.ids_in_warehouse() == ["id-1", "id-2", "id-9"]
    longest = "select max(length(properties ->> '$.message')) from core.journey_events"
    assert line.ask(longest) == [(TWENTY_MB,)]


def test_a_bad_record_of_20_mb_that_exceeds_the_memory_names_the_setting_and_heals_from_the_landing(
    line: Line, vendor: BadVendor
) -> None:
    huge = row(9, Message="x" * TWENTY_MB, TransactionTime="2026-02-30T00:00:00Z")
    vendor.gives(table([row(1), huge, row(2)]), rows=3)
    line.settings = LoadSettings(limits=NormalizeLimits(memory="100MB"))
    (outcome,) = line.load()
    assert isinstance(outcome.error, LakeError)
    assert_says(
        outcome.error, "normalizing sfmc/journey_history 2026-11-20T05", "100MB", "`normalize_memory` in defs.yaml"
    )
    line.settings = LoadSettings(limits=NormalizeLimits(memory="600MB"))
    vendor.server.on("/interaction/v1/interactions/journeyhistory/download")
    (outcome,) = line.load(again=False)
    assert outcome.error is None
    assert line.sync().broken == ()
    assert line.ids_in_warehouse() == ["id-1", "id-2"]
    assert line.ask("select length(raw) > 20000000, reason from ops.rejects") == [(True, "unreadable time")]


def test_records_without_an_id_are_told_apart_by_content_and_real_repeats_stay(line: Line, vendor: BadVendor) -> None:
    blank = [row(1, Id=""), row(1, Id=""), row(2, Id="  "), row(3, Id="")]
    vendor.gives(table([*blank, row(4)]), rows=5)
    manifest = line.arrived()
    assert (manifest.events.rows, manifest.duplicates) == (5, 0)
    keys = line.events("event_key")
    assert len(keys) == len(set(keys)) == 5
    line.arrived()
    assert line.events("event_key") == keys


def test_an_id_that_comes_twice_is_one_event_and_two_contents_of_it_are_warned_of(
    line: Line, vendor: BadVendor
) -> None:
    vendor.gives(table([row(1), row(1), row(2), row(2, Status="Failed")]), rows=4)
    (outcome,) = line.load()
    assert line.ids() == ["id-1", "id-2"]
    (claim,) = (claim for claim in outcome.claims if not claim.holds)
    assert (claim.name, claim.facts["conflicts"], claim.facts["duplicates"]) == ("keys_are_unique", 1, 2)
    assert_says(AssertionError(claim.says), "1 keys came with two different contents")
