"""What makes two rows of Insider one event, and what becomes of files and rows that are odd, in each format."""

from __future__ import annotations

import io
import json
import resource
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from journey_pipeline.errors import ContractError, LakeError, TransientVendorError
from journey_pipeline.loading.claims import Severity
from journey_pipeline_tests.vendors.made_insider import FORMATS, as_format, landed

ENTER = {
    "a_email": "ada@example.com",
    "event_name": "journey_enter",
    "e_journey_id": "5756",
    "e_name": "Welcome",
    "e_reason": "on-event",
    "e_timestamp": "2026-03-01T09:12:44Z",
    "iid": "17a.1",
}
MESSAGE = {
    **ENTER,
    "event_name": "journey_product_action",
    "e_name": "",
    "e_campaign_id": "64592",
    "e_channel_code": "EM",
    "e_action_code": "4",
}
VIEWED = {"event_name": "product_view", "e_timestamp": "2026-03-01T09:12:44Z", "iid": "17a.1"}


def csv_of(*rows: Mapping[str, str]) -> bytes:
    header = list(dict.fromkeys(name for row in rows for name in row))
    return as_format("csv", header, [[row.get(name, "") for name in header] for row in rows])


def key_of(home: Path, row: Mapping[str, str]) -> str:
    ((key,),) = landed(home, csv_of(row)).events("event_key")
    return str(key)


SAME: list[dict[str, str]] = [
    {"event_name": "journey_entered"},
    {"e_journey_id": "5756.0"},
    {"e_timestamp": "1772356364"},
    {"e_timestamp": "1772356364000"},
    {"e_timestamp": "2026-03-01 09:12:44+00"},
    {"a_email": "other@example.com", "a_c_loyalty_tier": "gold"},
    {"e_name": "Renamed", "e_reason": "other"},
    {"fresh": "x"},
]
OTHERS: list[dict[str, str]] = [
    {"event_name": "journey_exited"},
    {"e_journey_id": "5757"},
    {"e_timestamp": "2026-03-01T09:12:45Z"},
    {"iid": "17a.2"},
    {"e_campaign_id": "64592"},
    {"e_channel_code": "EM"},
    {"e_action_code": "1"},
]


def test_the_same_event_told_another_way_has_the_same_key(tmp_path: Path) -> None:
    made = landed(tmp_path / "same", csv_of(ENTER, *[{**ENTER, **change} for change in SAME]))
    assert made.events("event_key") == [(key_of(tmp_path / "alone", ENTER),)]
    assert (made.manifest.duplicates, made.manifest.rejects) == (len(SAME), None)


def test_another_event_has_another_key(tmp_path: Path) -> None:
    made = landed(tmp_path, csv_of(ENTER, *[{**ENTER, **change} for change in OTHERS]))
    assert made.events("count(distinct event_key)") == [(len(OTHERS) + 1,)]


def test_any_other_event_is_told_by_its_name_and_all_its_parameters_in_whatever_order(tmp_path: Path) -> None:
    first = key_of(tmp_path / "a", {**VIEWED, "e_color": "red", "e_size": "1"})
    assert key_of(tmp_path / "b", {"e_size": "1.0", **VIEWED, "e_color": "red", "a_email": "a@example.org"}) == first
    assert key_of(tmp_path / "c", {**VIEWED, "e_color": "blue", "e_size": "1"}) != first
    assert key_of(tmp_path / "d", {**VIEWED, "event_name": "sold", "e_color": "red", "e_size": "1"}) != first


@pytest.mark.parametrize("form", FORMATS)
def test_columns_go_by_name_and_unknown_ones_to_properties(tmp_path: Path, form: str) -> None:
    row = {"fresh": "x", **MESSAGE, "e_color": "red"}
    header = sorted(row, reverse=True)
    made = landed(tmp_path, as_format(form, header, [[row[name] for name in header]]))
    ((properties,),) = made.events("properties")
    assert json.loads(properties) == {"fresh": "x", "e_color": "red", "e_channel_code": "EM", "e_action_code": "4"}
    assert made.manifest.unknown_columns == ("fresh",)


@pytest.mark.parametrize("form", FORMATS)
def test_the_last_row_of_a_person_tells_the_attributes(tmp_path: Path, form: str) -> None:
    header = [*ENTER, "a_c_loyalty_tier"]
    people = [("17a.2", "b@example.org", "new"), ("17a.1", "a@example.org", "new"), ("", "c@example.org", "gold")]
    told = [*people, ("17a.1", "a@example.org", "gold"), ("17a.2", "", "silver")]
    rows = [{**ENTER, "iid": iid, "a_email": email, "a_c_loyalty_tier": tier} for iid, email, tier in told]
    made = landed(tmp_path, as_format(form, header, [[row[name] for name in header] for row in rows]))
    assert made.attributes("profile_key, attribute_id, value") == [
        ("17a.1", "c_loyalty_tier", "gold"),
        ("17a.1", "email", "a@example.org"),
        ("17a.2", "c_loyalty_tier", "silver"),
    ]


@pytest.mark.parametrize("form", FORMATS)
def test_a_column_that_is_there_twice_or_lacks_is_a_broken_contract(tmp_path: Path, form: str) -> None:
    with pytest.raises(ContractError, match="lacks iid"):
        landed(tmp_path, as_format(form, ["event_name", "e_timestamp"], [["journey_enter", "2026-03-01T00:00:00Z"]]))
    if form in {"csv", "parquet"}:
        twice = csv_of(ENTER).replace(b"e_reason", b"iid")
        if form == "parquet":
            table = pa.table([["a"]] * 4, names=["iid", "event_name", "e_timestamp", "iid"])
            file = io.BytesIO()
            pq.write_table(table, file)
            twice = file.getvalue()
        with pytest.raises(ContractError, match="has iid twice"):
            landed(tmp_path, twice)


def test_a_header_alone_and_an_empty_file_land(tmp_path: Path) -> None:
    for number, body in enumerate((csv_of(ENTER).split(b"\n")[0] + b"\n", b"[]", b"")):
        made = landed(tmp_path / str(number), body)
        assert (made.manifest.landed, made.events()) == (0, [])


def test_rows_of_wrong_form_are_rejects_with_their_bytes(tmp_path: Path) -> None:
    good = csv_of(ENTER)
    made = landed(tmp_path / "csv", good + b"too,short\r\n" + good.split(b"\r\n")[1] + b"\r\n")
    assert [raw for (raw,) in made.rejects("raw")] == ["too,short"]
    line = json.dumps(ENTER).encode()
    made = landed(tmp_path / "ndjson", line + b"\n{broken\n[1]\n" + line + b"\n")
    assert made.rejects("raw, reason") == [("{broken", "unreadable JSON"), ("[1]", "not a JSON object")]
    assert (made.manifest.landed, made.manifest.unaccounted, len(made.events())) == (4, 0, 1)


@pytest.mark.parametrize("form", ["ndjson", "json"])
def test_members_that_come_later_in_a_file_are_read_whatever_their_names(tmp_path: Path, form: str) -> None:
    """Each some thousand records, since they are read so many at a time."""
    later = [{"fresh": 5}, {'odd "name"\n': [1.0, None]}, {"fresh": None, "a_c_tier": "old"}, {"a_c_tier": "gold"}]
    rows = [{**VIEWED, "e_number": number, **later[number // 5000]} for number in range(20_000)]
    lines = [json.dumps(row).encode() for row in rows]
    lines[7000] = b"[1]"
    body = b"[" + b",".join(lines) + b"]" if form == "json" else b"\n".join(lines)
    made = landed(tmp_path, body)
    told = [{"fresh": "5"}, {'odd "name"\n': "[1.0,null]"}, {}, {}]
    expected = [({"e_number": str(n), **told[n // 5000]}, n + 1) for n in range(20_000) if n != 7000]
    assert [(json.loads(said), row) for said, row in made.events("properties, landing_row")] == expected
    assert made.rejects("raw, landing_row") == [("[1]", 7001)]
    assert made.attributes("profile_key, attribute_id, value") == [("17a.1", "c_tier", "gold")]
    assert made.manifest.unknown_columns == ("fresh", 'odd "name"\n')


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'[{"iid": "1", "event_name": "x", "e_timestamp": "2026-03-01T00:00:00Z"}', TransientVendorError),
        (b'{"iid": "1", "event_name": "x"}', ContractError),
        (b'{"message": "too large"}', ContractError),
        (b"<html><title>Oops</title></html>", ContractError),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", ContractError),
        (b"PAR1" + bytes(100) + b"PAR1", TransientVendorError),
        (b"PAR1" + bytes(100), TransientVendorError),
        (csv_of(ENTER) + b'1,"open', TransientVendorError),
    ],
    ids=lambda value: value[:20].decode() if isinstance(value, bytes) else value.__name__,
)
def test_what_is_no_whole_file_never_lands(tmp_path: Path, body: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        landed(tmp_path, body)
    assert not list(tmp_path.rglob("manifest.json"))


def test_json_with_a_trailing_comma_is_no_json(tmp_path: Path) -> None:
    record = json.dumps(ENTER).encode()
    with pytest.raises(ContractError, match="comma with nothing beside it"):
        landed(tmp_path, b"[" + record + b",]")
    assert not list(tmp_path.rglob("manifest.json"))


@pytest.mark.parametrize("form", ["csv", "ndjson", "json"])
def test_a_row_that_is_no_utf_8_is_a_reject_with_its_bytes_and_the_others_go_on(tmp_path: Path, form: str) -> None:
    body = as_format(form, list(ENTER), [list(ENTER.values()), list({**ENTER, "e_reason": "b@d"}.values())])
    made = landed(tmp_path, body.replace(b"b@d", b"\xff\xfe"))
    ((raw, reason),) = made.rejects("raw, reason")
    assert "17a.1" in raw
    assert reason == ("not UTF-8" if form == "csv" else "unreadable JSON")
    assert (made.events("reason"), made.manifest.unaccounted) == ([("on-event",)], 0)


def parquet(changes: Mapping[str, Any], **options: Any) -> bytes:
    """A file of one row in which some columns are otherwise."""
    file = io.BytesIO()
    pq.write_table(pa.table({**{name: [value] for name, value in ENTER.items()}, **changes}), file, **options)
    return file.getvalue()


def test_dictionaries_in_parquet_are_read_and_what_holds_other_values_is_kept_as_json(tmp_path: Path) -> None:
    body = parquet({"event_name": pa.array(["journey_enter"]).dictionary_encode(), "e_x": pa.array([{"a": ["b"]}])})
    ((action, properties),) = landed(tmp_path, body).events("action, properties")
    assert (action, json.loads(json.loads(properties)["e_x"])) == ("enter", {"a": ["b"]})


@pytest.mark.parametrize("name", ["iid", "event_name", "e_timestamp"])
def test_a_structure_where_an_event_needs_one_value_is_a_broken_contract(tmp_path: Path, name: str) -> None:
    with pytest.raises(ContractError, match=f"lists or structures in {name}"):
        landed(tmp_path, parquet({name: pa.array([{"a": "b"}])}))
    assert not list(tmp_path.rglob("manifest.json"))


def test_a_page_in_parquet_that_claims_to_be_huge_takes_no_more_memory_than_is_configured(tmp_path: Path) -> None:
    body = parquet({}, use_dictionary=False, compression="snappy", write_statistics=False)
    column = pq.read_metadata(io.BytesIO(body)).row_group(0).column(len(ENTER) - 1)
    at = column.data_page_offset + 3  # of the page's header, behind its kind: the size that it has when inflated
    end = at + next(number for number, byte in enumerate(body[at:], start=1) if byte < 128)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(LakeError, match="ran out of the 200MB"):
        landed(tmp_path, body[:at] + b"\xfe\xff\xff\xff\x0f" + body[end:])
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 600 << 10


@pytest.mark.parametrize(
    "form", ["parquet", *(pytest.param(form, marks=pytest.mark.slow(reason="a big file")) for form in ("csv", "json"))]
)
def test_a_field_of_20_megabytes_is_kept(tmp_path: Path, form: str) -> None:
    row = {**ENTER, "e_reason": "x" * 20_000_000}
    made = landed(tmp_path, as_format(form, list(row), [list(row.values())]))
    assert made.events("length(reason)") == [(20_000_000,)]


def test_text_that_breaks_careless_readers_is_kept(tmp_path: Path) -> None:
    odd = 'say "no",\nnext\0 🚚' + "x" * 100_000
    for form in FORMATS:
        row = {**ENTER, "e_reason": odd}
        made = landed(tmp_path / form, as_format(form, list(row), [list(row.values())]))
        assert made.events("reason") == [(odd,)]


def test_times_of_any_type_in_parquet_are_read(tmp_path: Path) -> None:
    rows: dict[str, list[Any]] = {name: [value] for name, value in ENTER.items()}
    for number, kind in enumerate(({}, {"use_deprecated_int96_timestamps": True})):
        table = pa.table(rows)
        place = table.column_names.index("e_timestamp")
        times = pa.array([1_772_356_364_000_000], pa.timestamp("us", tz="UTC"))
        file = io.BytesIO()
        pq.write_table(table.set_column(place, "e_timestamp", times), file, **kind)
        made = landed(tmp_path / str(number), file.getvalue())
        assert made.events("epoch_ms(occurred_at)") == [(1_772_356_364_000,)]


def test_large_ids_are_kept_exactly_where_the_file_has_them_as_text_or_integer(tmp_path: Path) -> None:
    large = str(2**53 + 1)
    as_text = landed(tmp_path / "a", csv_of({**ENTER, "e_journey_id": large}))
    assert (as_text.events("journey_id"), as_text.manifest.rounded_ids) == ([(large,)], 0)
    record = json.dumps({**ENTER, "e_journey_id": int(large)}).encode()
    assert landed(tmp_path / "b", record + b"\n" + record + b"\n").events("journey_id") == [(large,)]


@pytest.mark.parametrize("number", [2**53 + 1, 5756 * 10**15])
@pytest.mark.parametrize("form", ["parquet", "json"])
def test_ids_that_came_as_floats_beyond_2_53_are_counted_and_told_of(tmp_path: Path, form: str, number: int) -> None:
    rows = [{**MESSAGE, "e_journey_id": str(number)}, {**MESSAGE, "e_campaign_id": str(number)}, MESSAGE]
    made = landed(tmp_path, as_format(form, list(MESSAGE), [list(row.values()) for row in rows]))
    as_it_came = (str(float(number)),)
    assert [one for one in made.events("journey_id") if one != ("5756",)] == [as_it_came]
    assert [one for one in made.events("activity_id") if one != ("64592",)] == [as_it_came]
    assert made.manifest.rounded_ids == 2
    known = made.claim("schema_is_known")
    assert (known.holds, known.severity) == (False, Severity.WARN)
    assert "2 events have ids that came as floating-point numbers" in known.says


def test_a_future_event_is_kept_and_counted(tmp_path: Path) -> None:
    made = landed(tmp_path, csv_of({**ENTER, "e_timestamp": "2026-05-01T00:00:00Z"}))
    assert (len(made.events()), made.manifest.outside_window) == (1, 1)


def at_minutes(kind: str, *minutes: int, iid: str = "17a.1") -> list[dict[str, str]]:
    name = {"enter": "journey_enter", "exit": "journey_exited"}[kind]
    return [{**ENTER, "event_name": name, "e_timestamp": f"2026-03-01T09:{one:02}:00Z", "iid": iid} for one in minutes]


@pytest.mark.parametrize(
    ("rows", "out_of_turn"),
    [
        (at_minutes("enter", 1, 3) + at_minutes("exit", 2, 4), 0),
        (at_minutes("exit", 1, 3) + at_minutes("enter", 2), 0),  # entered before the window
        (at_minutes("enter", 1, 2, 4) + at_minutes("exit", 3), 1),
        (at_minutes("enter", 1, 2) + at_minutes("exit", 2, 3), 0),  # which of one second was first is unknown
        (at_minutes("enter", 1, 3) + at_minutes("exit", 2, iid="17a.2"), 1),
    ],
)
def test_what_follows_one_of_its_own_kind_is_out_of_turn(
    tmp_path: Path, rows: list[dict[str, str]], out_of_turn: int
) -> None:
    made = landed(tmp_path, csv_of(*rows, MESSAGE)).manifest
    assert (made.turns, made.out_of_turn) == (len(rows), out_of_turn)
