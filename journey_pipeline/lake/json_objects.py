"""Columns of text as JSON objects, one a row, whole columns at a time.

DuckDB's own functions give the same text for about one second more per million records with a dozen fields, which is a
third of the whole. Not here: which columns go in (`landing_relation.py`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Literal, cast

import pyarrow as pa
import pyarrow.compute as pc

_FIRST_PRINTABLE = 0x20
_CONTROLS = tuple(chr(code) for code in range(_FIRST_PRINTABLE))


def json_objects(fields: Mapping[str, pa.Array[Any]], rows: int) -> pa.Array[Any]:
    """A JSON object for each row, its fields in order; NULLs are left out, and a row of NULLs is `{}`.

    Args:
        fields: Arrays of text of the same length, by field name.
        rows: That length.

    Returns:
        An array of Arrow's JSON type, which DuckDB takes as JSON without reading it again.
    """
    columns = {name: column for name, column in fields.items() if column.null_count < rows}
    text: pa.Array[Any]
    if not columns:
        text = pa.repeat(pa.scalar("{}"), rows)
    elif any(column.null_count == 0 for column in columns.values()):
        text = _joined(*_around_a_sure_one(columns))
    else:
        members = [_member(name, column) for name, column in columns.items()]
        text = _joined("{", _joined(*_never_all_null(members), separator=",", null_handling="skip"), "}")
    return pa.ExtensionArray.from_storage(pa.json_(), text)


def _around_a_sure_one(columns: Mapping[str, pa.Array[Any]]) -> list[str | pa.Array[Any]]:
    """The parts of objects of which at least one column has no NULL, so that it is known where the commas stand.

    Columns without NULLs go in as they are, which copies them once and not twice.
    """
    parts: list[str | pa.Array[Any]] = []
    constant, has_sure = "{", False
    for name, column in columns.items():
        opening = f'{json.dumps(name, ensure_ascii=False)}:"'
        if column.null_count == 0:
            parts += [f"{constant}{',' if has_sure else ''}{opening}", _escaped(column)]
            constant, has_sure = '"', True
        else:
            before, after = (",", "") if has_sure else ("", ",")
            member = _joined(f"{before}{opening}", _escaped(column), f'"{after}')
            parts += [constant, pc.if_else(pc.is_null(member), "", member)]
            constant = ""
    return [*parts, f"{constant}}}"]


def _never_all_null(members: list[pa.Array[Any]]) -> list[pa.Array[Any]]:
    """The members, the first one empty text where all are NULL: of such rows the join gives none at all."""
    first, *others = members
    empty = pc.is_null(first)
    for other in others:
        empty = pc.and_(empty, pc.is_null(other))
    return [cast("pa.Array[Any]", pc.if_else(empty, "", first)), *others]


def _member(name: str, column: pa.Array[Any]) -> pa.Array[Any]:
    """`"name":"value"`, or NULL where there is no value."""
    return _joined(f'{json.dumps(name, ensure_ascii=False)}:"', _escaped(column), '"')


def _joined(
    *parts: str | pa.Array[Any], separator: str = "", null_handling: Literal["emit_null", "skip"] = "emit_null"
) -> pa.Array[Any]:
    # The library's stubs know no mixture of columns and constants, which the function takes.
    join = cast("Callable[..., pa.Array[Any]]", pc.binary_join_element_wise)
    return join(*parts, separator, null_handling=null_handling)


def _escaped(column: pa.Array[Any]) -> pa.Array[Any]:
    buffer = column.buffers()[2]
    if buffer is None or buffer.size == 0:
        return column
    # The whole buffer is looked at first: most have nothing to escape, and then no value is touched.
    content = buffer.to_pybytes()
    if b"\\" in content:
        column = pc.replace_substring(column, "\\", "\\\\")
    if b'"' in content:
        column = pc.replace_substring(column, '"', '\\"')
    least = pc.min(pa.Array.from_buffers(pa.uint8(), buffer.size, [None, buffer])).as_py()
    if least < _FIRST_PRINTABLE:
        for control in _CONTROLS:
            if control.encode() in content:
                column = pc.replace_substring(column, control, json.dumps(control)[1:-1])
    return column
