from __future__ import annotations

import json
from typing import Any

import pytest

from journey_pipeline.formats.small_answers import read_json

DEEP = b"[" * 10_000 + b"]" * 10_000


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b'{"a": [1, 2.5, null, true, "\\u00e9"]}', {"a": [1, 2.5, None, True, "é"]}),
        (b'{"a": "\\ud83d\\ude00"}', {"a": "\U0001f600"}),
        (b'{"\\ud800": "x\\udfff"}', {"�": "x�"}),
        (b'{"a": "\xed\xa0\x80"}', {"a": "�"}),
        (b'{"a": 1, "a": 2}', {"a": 2}),
        (b'{"a": "x\\u0000y"}', {"a": "x\0y"}),
        (b'{"a": ' + b"9" * 5000 + b"}", {"a": "9" * 5000}),
        (DEEP, "(nested deeper than 50)"),
    ],
)
def test_whatever_a_vendor_puts_into_json_can_be_written_again(content: bytes, value: Any) -> None:
    found = read_json(content)
    assert found == value
    assert json.loads(json.dumps(found, ensure_ascii=False).encode()) == value


def test_what_is_nested_too_deep_leaves_the_rest_as_it_is() -> None:
    found = read_json(b'{"rowCount": 3, "x": ' + b"[" * 300 + b"]" * 300 + b"}")
    assert found["rowCount"] == 3
    assert "nested deeper than 50" in json.dumps(found["x"])


@pytest.mark.parametrize("content", [b"", b"{", b"<html>", b"\xff\xfe"])
def test_what_is_no_json_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of each kind that `json` knows
        read_json(content)
