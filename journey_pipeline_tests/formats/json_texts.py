"""JSON as a vendor may send it: odd values, several ways to write them, cut anywhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

# What a splitter that looks at the wrong quote, brace or depth would trip over.
TRAPS = (
    '"',
    "\\",
    '\\"',
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    '},"k":{"sections":',
    '"},{"',
    "]}}",
    "\x00",
    "\u2028",
    "é",
    "😀",
)
TEXTS = st.lists(st.sampled_from(TRAPS) | st.text(max_size=3), max_size=6).map("".join)
EDGES = st.sampled_from([0, -0.0, 2**53 + 1, -(2**64), 10**30, 1e308, 5e-324, -1.5e-7, 0.1])
SCALARS = st.none() | st.booleans() | EDGES | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
NAMES = st.sampled_from(["sections", "events", "a", ""]) | TEXTS
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=8
)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=4)
WAYS = st.fixed_dictionaries(
    {
        "ensure_ascii": st.booleans(),
        "indent": st.sampled_from([None, None, 1, "\t"]),
        "separators": st.sampled_from([None, (",", ":"), (" ,\r\n", " :\t")]),
    }
)


def written(value: Any, way: dict[str, Any]) -> bytes:
    return json.dumps(value, **way).encode(errors="surrogatepass")


def pieces(text: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(text), size):
        yield text[start : start + size]
