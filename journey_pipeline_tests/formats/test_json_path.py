"""Records at a declared path, whatever the document's pieces, and nothing else for them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from journey_pipeline.formats.json_records import RecordSplitter
from journey_pipeline.formats.json_scan import BrokenError, CutError, NoRecordsError

PATH = ("data", "rows")
LONG = [{"n": number, "text": "x" * 5000} for number in range(500)]


def split(text: bytes, size: int = 1 << 20, path: tuple[str, ...] = PATH) -> tuple[RecordSplitter, list[Any]]:
    splitter = RecordSplitter(["results", "data"], path=path)
    pieces = (text[start : start + size] for start in range(0, len(text), size))
    return splitter, [json.loads(record) for records in splitter.split(pieces) for record in records]


@pytest.mark.parametrize("size", [1, 7, 4096, 1 << 26])
@pytest.mark.parametrize(
    "document",
    [
        {"data": {"rows": [{"n": 1}, {"n": 2}], "next": "/2"}, "count": 2},
        {"results": [{"n": 9}] * 3, "data": {"others": [{"n": 8}], "rows": [{"n": 1}, {"n": 2}]}, "next": "/2"},
        {"count": 2, "next": None, "data": {"next": "/2", "rows": [{"n": 1}, {"n": 2}], "rows2": {"rows": [{"n": 7}]}}},
    ],
)
def test_the_array_at_the_path_is_the_records_and_what_stands_beside_the_way_is_told(
    document: dict[str, Any], size: int
) -> None:
    splitter, records = split(json.dumps(document, indent=1).encode(), size)
    assert records == [{"n": 1}, {"n": 2}]
    assert (splitter.records, splitter.members["next"]) == (2, "/2")
    assert "next" in splitter.names


@pytest.mark.parametrize("path", [("rows",), PATH, ("a", "data", "rows")])
def test_long_arrays_come_piece_by_piece_and_long_members_beside_them_are_let_go(path: tuple[str, ...]) -> None:
    document: dict[str, Any] = {"before": LONG, path[-1]: LONG, "after": LONG, "next": "/2"}
    for name in reversed(path[:-1]):
        document = {"long": LONG, name: document, "others": LONG}
    splitter = RecordSplitter(path=path)
    text = json.dumps(document).encode()
    given = [len(splitter.feed(text[start : start + (1 << 16)])) for start in range(0, len(text), 1 << 16)]
    assert not splitter.finish()
    assert sum(given) == len(LONG)
    assert sum(1 for count in given if count) > 10
    assert splitter.members["next"] == "/2"


@pytest.mark.parametrize(
    "text",
    [
        b"[]",
        b'{"data": null}',
        b'{"data": {"rows": null, "n": 1}}',
        b'{"data": {"rows": []}}',
        b' {"data":{"rows":[ ]}}\n',
    ],
)
def test_an_empty_answer_has_no_records(text: bytes) -> None:
    assert split(text)[1] == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b'[{"n": 1}]', "elsewhere than at data.rows"),
        (b'{"n": 1}\n{"n": 2}\n', "elsewhere than at data.rows"),
        (b'{"n": 1}{"n": 2}', "elsewhere than at data.rows"),
        (b'{"rows": [{"n": 1}], "count": 1}', "no array at data.rows; its members: rows, count"),
        (b'{"data": [{"rows": [1]}]}', "no array at data.rows; its members: data"),
        (b'{"data": {"Rows": [{"n": 1}], "rows": {"n": 1}}}', "its members: data, data.Rows, data.rows"),
        (b'{"data": {"rows": [1]}, "data": {"rows": [2]}}', "more than one array at data.rows"),
        (b'{"data": {"rows": [1], "rows": [2]}}', "more than one array at data.rows"),
    ],
)
def test_records_elsewhere_are_none_and_it_is_told_what_there_is(text: bytes, told: str) -> None:
    with pytest.raises(NoRecordsError, match=told):
        split(text)


@pytest.mark.parametrize("size", [1, 1 << 26])
def test_a_document_that_is_cut_or_goes_on_is_told_of_whatever_its_length(size: int) -> None:
    for rows in ([{"n": 1}], LONG if size > 1 else [{"n": 2}, {"n": 3}]):
        text = json.dumps({"data": {"rows": rows}, "n": 1}).encode()
        for end in {2, 9, 14, len(text) // 2, len(text) - 1}:
            with pytest.raises(CutError):
                split(text[:end], size)
        with pytest.raises(BrokenError, match="goes on"):
            split(text + b"]", size)
        with pytest.raises(BrokenError):
            split(text.replace(b"]}", b"] 1}"), size)
