from __future__ import annotations

import gzip
import json
import tracemalloc
import zlib

import pytest

from journey_pipeline.errors import ContractError, DamagedAnswerError, TransientVendorError, VendorError
from journey_pipeline.formats.json_records import RecordSplitter
from journey_pipeline.vendors.apsis.profile_events.file import ProfileInspector, profiles
from journey_pipeline.vendors.json_answer import JsonInspector

RECORDS = [{"text": 'quote " brace } bracket ] \\ end', "n": number} for number in range(5)]
BODIES = {
    "object": json.dumps({"count": 5, "results": RECORDS, "next": "x"}).encode(),
    "array": json.dumps(RECORDS).encode(),
    "concatenated": b"".join(json.dumps(record).encode() for record in RECORDS),
    "lines": b"\n".join(json.dumps(record).encode() for record in RECORDS) + b"\n",
    "empty": b'{"count": 0, "results": []}',
}


def inspected(body: bytes, *, step: int, verified: bool = False) -> JsonInspector:
    inspector = JsonInspector(["results"])
    for start in range(0, len(body), step):
        inspector.feed(body[start : start + step])
    inspector.finish(verified=verified)
    return inspector


@pytest.mark.parametrize("step", [1, 7, 1 << 20])
@pytest.mark.parametrize("form", list(BODIES))
def test_records_are_counted_however_the_body_is_cut_into_pieces(form: str, step: int) -> None:
    seen = inspected(BODIES[form], step=step, verified=form == "concatenated")
    assert seen.rows == (0 if form == "empty" else 5)
    assert seen.members.get("count") == {"object": 5, "empty": 0}.get(form)


@pytest.mark.parametrize("form", ["object", "array", "empty"])
def test_a_body_that_ends_anywhere_before_its_end_was_cut(form: str) -> None:
    for length in range(len(BODIES[form])):
        with pytest.raises(TransientVendorError):
            inspected(BODIES[form][:length], step=1 << 20)


@pytest.mark.parametrize("form", ["lines", "concatenated"])
def test_records_without_a_last_line_end_count_as_cut_unless_the_wire_proves_otherwise(form: str) -> None:
    body = BODIES[form].rstrip()
    with pytest.raises(TransientVendorError, match="line end"):
        inspected(body, step=1 << 20)
    assert inspected(body, step=1 << 20, verified=True).rows == 5


@pytest.mark.parametrize("step", [1, 1 << 20])
@pytest.mark.parametrize(
    ("body", "error", "told"),
    [
        (b" \n<html><head><title>Log\nin</title></head></html>", ContractError, "HTML page .Log in."),
        (b"\xef\xbb\xbf<p>down</p>", ContractError, "HTML page .down."),
        (b"<" + b"x" * 100_000, ContractError, "HTML page"),
        (b'{"detail": "no"}', ContractError, "detail: no"),
        (b'{"error": {"a": 1}, "code": 5}', ContractError, r"\(error\)"),
        (b'{"message": "no"} trailing', ContractError, "goes on"),
        (b'{"error": "no", "results": null}', ContractError, "error: no"),
        (b"Internal error", ContractError, "does not begin"),
        (b" \n ", TransientVendorError, "empty"),
        (BODIES["array"][:-1] + b"}", ContractError, "wrong kind"),
        (BODIES["array"] * 100, ContractError, "goes on"),
        (b"[" + b"1," * 5000 + b",1]", DamagedAnswerError, "a comma with nothing"),
    ],
)
def test_what_is_no_json_with_records_is_told_by_its_kind(
    body: bytes, error: type[VendorError], told: str, step: int
) -> None:
    with pytest.raises(error, match=told):
        inspected(body, step=step)


def test_a_whole_object_without_records_lands_and_says_so() -> None:
    seen = inspected(b'{"status": "ok", "list": [1, 2]}', step=3)
    assert (seen.rows, seen.no_records is not None) == (0, True)


def test_an_error_beside_records_is_no_error() -> None:
    assert inspected(b'{"error": null, "detail": "", "results": [{}]}', step=5).rows == 1


@pytest.mark.parametrize("step", [1, 1 << 20])
def test_null_in_place_of_the_records_is_an_empty_answer(step: int) -> None:
    seen = inspected(b'{"count":0,"results":null}', step=step)
    assert (seen.rows, seen.no_records) == (0, None)
    assert inspected(b'{"count":0,"others":null}', step=step).no_records is not None


PROFILE = b'{"profiles":{"a":{"sections":{"7":{"events":[{}]}}}}}'


@pytest.mark.parametrize("before", [b"", b"\xef", b"\xef\xbb\xbf", b"\n"])
@pytest.mark.parametrize(
    ("kind", "body", "rows"),
    [(JsonInspector, BODIES["object"], 5), (ProfileInspector, PROFILE, 1)],
    ids=["records", "profiles"],
)
def test_blanks_without_end_fill_no_memory(
    kind: type[JsonInspector | ProfileInspector], body: bytes, rows: int, before: bytes
) -> None:
    inspector, blank = kind(), b"\n" * (1 << 20)
    inspector.feed(before)
    if before == b"\xef":
        inspector.feed(b"\xbb\xbf")
    tracemalloc.start()
    for _ in range(32):
        inspector.feed(blank)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    inspector.feed(body)
    inspector.finish(verified=False)
    assert inspector.rows == rows
    assert peak < 4 << 20


@pytest.mark.parametrize("form", ["object", "array", "lines"])
def test_the_lake_reads_what_stands_after_blanks_without_end_in_as_little_memory(form: str) -> None:
    tracemalloc.start()
    records = RecordSplitter(["results"]).split([b"\n" * (1 << 20)] * 32 + [BODIES[form]])
    assert sum(map(len, records)) == 5
    assert sum(map(len, profiles([b"\n" * (1 << 20)] * 32 + [PROFILE], as_raw=False, longest_bytes=1 << 24))) == 1
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20


@pytest.mark.parametrize("kind", [JsonInspector, ProfileInspector])
@pytest.mark.parametrize(
    ("body", "name"),
    [
        (PROFILE.decode().encode("utf-16"), "text in UTF-16"),
        (gzip.compress(PROFILE), "gzip inside of gzip"),
        (zlib.compress(PROFILE), "a file compressed with zlib"),
    ],
    ids=["UTF-16", "gzip", "zlib"],
)
def test_a_form_that_is_no_utf_8_is_called_by_its_name(
    kind: type[JsonInspector | ProfileInspector], body: bytes, name: str
) -> None:
    with pytest.raises(ContractError, match=f"{name}.* came in place of JSON"):
        kind().feed(body)
