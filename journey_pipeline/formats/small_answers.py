"""Answers that are read whole: small JSON as plain values, and what came in place of data.

Not here: documents with records, which are never held whole (`json_records.py`); what data must look like (the
inspectors in `vendors/`).
"""

from __future__ import annotations

import json
import re
from typing import Any

_DEEPEST = 50
_MOST_DIGITS = 1000  # what has more is kept as text
_TOO_DEEP = f"(nested deeper than {_DEEPEST})"


def read_json(content: bytes | str) -> Any:
    """The value of a JSON text.

    Half of a surrogate pair, which no text can hold, is U+FFFD; what is nested deeper than 50 is a text that says so,
    and so is all of what is nested deeper than can be read.

    Raises:
        ValueError: If it is not JSON.
    """
    try:
        return _plain(json.loads(content, parse_int=_integer), _DEEPEST)
    except RecursionError:
        return _TOO_DEEP


def _integer(text: str) -> int | str:
    return int(text) if len(text) <= _MOST_DIGITS else text


def _plain(value: Any, levels: int) -> Any:
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if not isinstance(value, dict | list):
        return value
    if not levels:
        return _TOO_DEEP
    if isinstance(value, list):
        return [_plain(item, levels - 1) for item in value]
    return {_plain(name, levels): _plain(item, levels - 1) for name, item in value.items()}


PAGE_BYTES = 4096
"""So much of a page is read for its title."""
_QUOTED = 200
_TITLE = re.compile(rb"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(rb"<[^>]*>")

_STARTS = (
    (b"\x1f\x8b", "gzip inside of gzip: it was compressed twice"),
    (b"\xff\xfe", "text in UTF-16"),
    (b"\xfe\xff", "text in UTF-16"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x28\xb5\x2f\xfd", "a file compressed with Zstandard"),
    (b"\xfd7zXZ\x00", "a file compressed with xz"),
    *((bytes([0x78, level]), "a file compressed with zlib") for level in (0x01, 0x9C, 0xDA)),
)
_LETTERS = 2


def foreign_form(start: bytes) -> str | None:
    """The form of a body by its first bytes; None if it may be text in UTF-8, or if it is too short to tell."""
    for mark, name in _STARTS:
        if start.startswith(mark):
            return name
    letters = [start[at : at + 2] for at in range(0, 2 * _LETTERS, 2)]
    if len(start) >= 2 * _LETTERS and any(_are_utf_16(letters, zero) for zero in (0, 1)):
        return "text in UTF-16 without a mark"
    return None


def _are_utf_16(letters: list[bytes], zero: int) -> bool:
    """Whether each letter is one of ASCII with a zero at this place."""
    return all(letter[zero] == 0 and letter[1 - zero] != 0 for letter in letters)


def told_of_page(page: bytes) -> str:
    """A page in place of data, quoted only as far as it is surely no record: a title, an error's own message."""
    if not page.startswith(b"{"):
        start = page[:PAGE_BYTES]
        title = _TITLE.search(start)
        text = (title[1] if title else _TAG.sub(b" ", start)).decode("utf-8", "replace")
        return f"an HTML page ({' '.join(text.split())[:_QUOTED]})"
    error = json_object(page)
    if error is None:
        return "text that begins with a brace"
    said = [f"{name}: {error[name]}" for name in ("message", "error", "errorcode") if name in error]
    return f"a JSON error ({', '.join(said)[:_QUOTED] or 'without a message'})"


def json_object(text: bytes) -> dict[str, object] | None:
    """A JSON object; None if it is none."""
    try:
        answer = read_json(text)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None
