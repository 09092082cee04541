"""Columns that come in any number under names that follow a pattern: one object of `properties` each group.

Not here: which patterns there are (a vendor's recipe), the other properties (`landing_relation.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from journey_pipeline.lake.json_objects import json_objects

_NOTHING = pa.scalar("{}")


def groups_of(name: str, groups: Mapping[str, str]) -> list[tuple[str, str]]:
    """The objects that a column goes into, and its name in each.

    Args:
        name: Of the column.
        groups: Patterns by the objects' names; the first group of a pattern is the name inside.
    """
    found = ((group, re.fullmatch(pattern, name, re.DOTALL)) for group, pattern in groups.items())
    return [(group, match[1]) for group, match in found if match]


def with_group(properties: pa.Array[Any], name: str, members: Mapping[str, pa.Array[Any]], rows: int) -> pa.Array[Any]:
    """Properties with one more object at their end; rows in which it would be empty stay as they are.

    Args:
        properties: JSON objects, as `json_objects` gives them.
        name: Of the object.
        members: Its columns.
        rows: How many rows there are.
    """
    plain, inner = _text(properties), _text(json_objects(members, rows))
    joined = cast("Callable[..., pa.Array[Any]]", pc.binary_join_element_wise)
    opened = pc.utf8_slice_codeunits(plain, 0, -1)
    comma = pc.if_else(pc.equal(plain, _NOTHING), "", ",")
    text = joined(opened, comma, f'"{name}":', inner, "}", "")
    return pa.ExtensionArray.from_storage(pa.json_(), pc.if_else(pc.equal(inner, _NOTHING), plain, text))


def _text(objects: pa.Array[Any]) -> pa.StringArray:
    return cast("pa.StringArray", cast("pa.ExtensionArray[Any]", objects).storage)
