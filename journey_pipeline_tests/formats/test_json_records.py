from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journey_pipeline.formats.json_records import RecordSplitter
from journey_pipeline.formats.json_scan import BrokenError, CutError, DocumentError, NoRecordsError, OversizedError
from journey_pipeline_tests.examples import examples
from journey_pipeline_tests.formats.json_texts import OBJECTS, SCALARS, VALUES, WAYS, pieces, written

ARRAYS = ("results", "data")
BOUNDED = settings(max_examples=examples(40))
SIZES = st.sampled_from([1, 2, 7, 64])
LONG = "x" * (1 << 20)


def split(text: bytes, size: int = 1 << 20, arrays: Sequence[str] = ARRAYS) -> tuple[RecordSplitter, list[bytes]]:
    splitter = RecordSplitter(arrays)
    records = [record for some in splitter.split(pieces(text, size)) for record in some]
    assert splitter.records == len(records)
    return splitter, records


def in_array(records: Sequence[Any], way: dict[str, Any]) -> bytes:
    return written(records, way)


def in_object(records: Sequence[Any], way: dict[str, Any]) -> bytes:
    return written({"count": len(records), "results": records, "next": None}, way)


def in_lines(records: Sequence[Any], way: dict[str, Any]) -> bytes:
    lines = [written(record, {"ensure_ascii": way["ensure_ascii"]}) for record in records]
    return b"\r\n".join([*lines, b""])


@BOUNDED
@given(st.lists(OBJECTS | SCALARS, max_size=6), WAYS, SIZES)
def test_records_of_an_array_are_those_that_the_standard_library_reads(
    records: list[Any], way: dict[str, Any], size: int
) -> None:
    _, found = split(in_array(records, way), size)
    assert [json.loads(record) for record in found] == records


@BOUNDED
@given(st.lists(OBJECTS, min_size=1, max_size=6), WAYS, SIZES)
def test_records_of_an_object_are_those_that_the_standard_library_reads(
    records: list[Any], way: dict[str, Any], size: int
) -> None:
    splitter, found = split(in_object(records, way), size)
    assert [json.loads(record) for record in found] == records
    assert splitter.members == {"count": len(records), "next": None}


@BOUNDED
@given(st.lists(OBJECTS, min_size=2, max_size=6), WAYS, SIZES)
def test_lines_are_those_that_the_standard_library_reads(records: list[Any], way: dict[str, Any], size: int) -> None:
    splitter, found = split(in_lines(records, way), size)
    assert [json.loads(record) for record in found] == records
    assert splitter.is_lines


@BOUNDED
@given(st.lists(OBJECTS, min_size=1, max_size=3), WAYS, st.sampled_from([in_array, in_object]), st.data())
def test_a_cut_document_is_noticed_wherever_it_is_cut(
    records: list[Any], way: dict[str, Any], form: Any, data: st.DataObject
) -> None:
    text = form(records, way)
    end = data.draw(st.integers(0, len(text) - 1))
    with pytest.raises(CutError) as caught:
        split(text[:end], 7)
    assert caught.value.at == end


@BOUNDED
@given(st.lists(OBJECTS, min_size=2, max_size=4), WAYS, st.data())
def test_lines_that_end_inside_a_record_are_noticed(
    records: list[Any], way: dict[str, Any], data: st.DataObject
) -> None:
    *first, last = in_lines(records, way).splitlines(keepends=True)
    cut = data.draw(st.integers(1, len(last) - 3))
    with pytest.raises(CutError):
        split(b"".join(first) + last[:cut], 7)


@BOUNDED
@given(st.lists(VALUES, max_size=4), WAYS, st.data())
def test_what_is_no_json_is_noticed_here_or_in_a_record(
    records: list[Any], way: dict[str, Any], data: st.DataObject
) -> None:
    text = bytearray(in_array(records, way))
    at = data.draw(st.integers(0, len(text) - 1))
    text[at : at + data.draw(st.integers(0, 2))] = data.draw(
        st.sampled_from([b"", b'"', b"\\", b"]", b"}", b",", b"1"])
    )
    try:
        expected = json.loads(text)
    except ValueError:
        expected = None
    try:
        _, found = split(bytes(text), 5)
        read = [json.loads(record) for record in found]
    except (DocumentError, ValueError):
        assert not isinstance(expected, list)
    else:
        assert read == expected


@pytest.mark.parametrize(
    ("text", "records"),
    [
        (b'{"results":[{"a":1}],"data":[{"b":1}]}', [b'{"a":1}']),
        (b'{"data":[{"b":1}],"results":[{"a":1}]}', [b'{"a":1}']),
        (b'{"data":[{"b":1}],"rows":[{"a":1}]}', [b'{"b":1}']),
        (b'{"rows":[{"a":1}],"data":[{"b":1}]}', [b'{"b":1}']),
        (b'{"results":["x"],"rows":[{"a":1}]}', [b'{"a":1}']),
        (b'{"results":[],"rows":[{"a":1}]}', [b'{"a":1}']),
        (b'{"rows":[],"results":[]}', []),
        (b'{"rows":[ ],"ids":[1]}', []),
        (b'{"rows":[{"a":1},7,null]}', [b'{"a":1}', b"7", b"null"]),
        (b'{"deep":{"results":[{"a":1}]},"rows":[{"b":1}]}', [b'{"b":1}']),
    ],
)
@pytest.mark.parametrize("size", [1, 1000])
def test_the_records_array_is_found_by_name_and_else_by_what_it_holds(
    text: bytes, records: list[bytes], size: int
) -> None:
    _, found = split(text, size)
    assert found == records


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b'{"detail":"not yet"}', "its members: detail"),
        (b'{"results":{"a":1},"ids":[1,2]}', "its members: results, ids"),
        (b'{"individual_id":"p-81"}\n', "its members: individual_id"),
        (b'{"rows":[{"a":1}],"items":[{"b":1}]}', "several arrays that may be the records: rows, items"),
        (b"{}", "its members: none"),
    ],
)
def test_an_object_without_records_tells_its_members(text: bytes, message: str) -> None:
    with pytest.raises(NoRecordsError, match=message):
        split(text)


def test_names_that_may_be_a_persons_data_are_not_told() -> None:
    with pytest.raises(NoRecordsError) as caught:
        split(b'{"ana@example.org":1,"+46 70":2,"count":0}')
    assert str(caught.value) == "is an object without an array of records; its members: count, and 2 others"


@pytest.mark.parametrize("size", [1 << 12, 3 << 20])
def test_a_long_array_is_given_as_it_comes_and_members_on_both_sides_are_kept(size: int) -> None:
    records = [{"n": n, "text": LONG[:1000]} for n in range(3000)]
    text = json.dumps({"first": 1, "extra": [[LONG]], "rows": records, "ids": [1], "next": "p2"}).encode()
    splitter, found = split(text, size)
    assert [json.loads(record) for record in found] == records
    assert splitter.members == {"first": 1, "ids": [1], "next": "p2"}
    assert splitter.names == ["first", "extra", "rows", "ids", "next"]


@pytest.mark.parametrize("size", [1 << 12, 8 << 20])
@pytest.mark.parametrize(("later", "fails"), [("results", True), ("items", True), ("data", False)])
def test_a_better_claim_after_a_long_array_is_an_error_and_no_guess(size: int, later: str, *, fails: bool) -> None:
    earlier = "rows" if later != "data" else "results"
    text = json.dumps({earlier: [{"text": LONG}], later: [{"a": 1}]}).encode()
    if fails:
        with pytest.raises(NoRecordsError, match=f"several arrays that may be the records: rows, {later}"):
            split(text, size)
    else:
        assert len(split(text, size)[1]) == 1


@pytest.mark.parametrize(
    ("text", "at"),
    [
        (b"<html>", 0),
        (b"  Unauthorized", 2),
        (b'"text"', 0),
        (b'[{"a":1},]', 9),
        (b'[,{"a":1}]', 1),
        (b'[{"a":1}}', 8),
        (b'{"results":[{"a":1}]]', 20),
        (b'{"results":[{"a":1}] 7, "b":1}', 20),
        (b'{"results":[{"a":1}],}', 21),
        (b'{"results" [{"a":1}]}', 1),
        (b'{"count":tue,"results":[{"a":1}]}', 9),
        (b'[{"a":1}] x', 9),
        (b'[{"a":1}][', 9),
        (b'{"results":[{"a":1}]} {"b":1}', 21),
    ],
)
@pytest.mark.parametrize("size", [1, 1000])
def test_a_broken_document_says_at_which_byte(text: bytes, at: int, size: int) -> None:
    with pytest.raises(BrokenError, match=f"at byte {at}|ends at byte {at}") as caught:
        split(text, size)
    assert caught.value.at == at


@BOUNDED
@given(st.lists(OBJECTS, min_size=2, max_size=6), WAYS, st.sampled_from([b"", b" ", b"\n", b"\r\n\r\n"]), SIZES)
def test_objects_that_follow_one_another_are_records_whatever_blanks_are_between(
    records: list[Any], way: dict[str, Any], between: bytes, size: int
) -> None:
    records = [{"n": 1}, *records]
    if b"\n" in between:  # else a first line that is whole would make it lines
        way = {"ensure_ascii": way["ensure_ascii"]}
    splitter, found = split(between.join(written(record, way) for record in records), size)
    assert [json.loads(record) for record in found] == records
    assert splitter.is_lines


@pytest.mark.parametrize("size", [1, 1000])
@pytest.mark.parametrize(
    ("text", "error"),
    [
        (b'{"a":1}{"b":2', CutError),
        (b'{"a":1}{"b":"2', CutError),
        (b'{"a":1}{"b":2},{"c":3}', BrokenError),
        (b'{"a":1}{"b":2}}{"c":3}', BrokenError),
        (b'{"a":1}{"b":2}[{"c":3}]', BrokenError),
        (b'{"a":1}{"b":2} null', BrokenError),
        (b'{"a":1}{"b":2] {"c":3}', BrokenError),
        (b'{"count":1,"results":[]}{"count":1,"results":[]}', BrokenError),
        (b'{"count":1,"results":null}{"error":"no"}', BrokenError),
        (b'{"rows":[{"a":1}]}{"error":"no"}', BrokenError),
    ],
)
def test_objects_that_follow_one_another_are_read_strictly(text: bytes, error: type[DocumentError], size: int) -> None:
    with pytest.raises(error):
        split(text, size)


@pytest.mark.parametrize("text", [b"", b"  \r\n", b"\xef\xbb\xbf"])
def test_nothing_is_no_document(text: bytes) -> None:
    with pytest.raises(CutError, match="is empty"):
        split(text)


@pytest.mark.parametrize("size", [1, 1000])
def test_a_byte_order_mark_is_passed_over(size: int) -> None:
    assert split(b'\xef\xbb\xbf [{"a":1}]', size)[1] == [b'{"a":1}']


def test_a_broken_line_spoils_no_other() -> None:
    lines = [b'{"a":1}', b'{"a":"open', b"garbage", b'{"a":2}']
    assert split(b"\n\n".join(lines))[1] == lines


def test_a_record_whose_inside_is_broken_is_given_as_it_stands() -> None:
    assert split(b'[{"a" 1},{"a":\xff},{"b":2}]')[1] == [b'{"a" 1}', b'{"a":\xff}', b'{"b":2}']


@pytest.mark.parametrize(
    "form", [b'[{"a":"%s"}]', b'{"results":[{"a":"%s"}]}', b'{"b":1}\n{"a":"%s"}\n', b'{"b":1}{"a":"%s"}']
)
@pytest.mark.parametrize("size", [100, 1 << 20])
def test_a_record_above_the_limit_is_refused(form: bytes, size: int) -> None:
    splitter = RecordSplitter(longest_bytes=1000)
    with pytest.raises(OversizedError, match="longer than 1000 bytes"):
        list(splitter.split(pieces(form % (b"x" * 2000), size)))


def test_a_text_of_20_mb_is_one_record() -> None:
    text = json.dumps([{"a": LONG * 20}, {"b": '\\"' * 1000}]).encode()
    assert [json.loads(record) for record in split(text, 1 << 16)[1]] == json.loads(text)
