"""A small JSON answer as values that can be kept, told and written again, whatever a vendor put in it.

Not here: documents with records, which are never held whole (`json_records.py`).
"""

from __future__ import annotations

import json
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
