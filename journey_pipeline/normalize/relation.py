"""From the columns or records of a file to the relation `landing` that a recipe's SQL reads, `properties` included.

Not here: reading the file (`csv_source.py`, `record_reader.py`).
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import pyarrow as pa
import pyarrow.compute as pc

from journey_pipeline.errors import LakeError
from journey_pipeline.formats.csv_records import folded
from journey_pipeline.formats.records import Records
from journey_pipeline.lake.layout import selection_at
from journey_pipeline.recipe import Recipe

_FIRST_PRINTABLE = 0x20
_CONTROLS = tuple(chr(code) for code in range(_FIRST_PRINTABLE))


def json_objects(fields: Mapping[str, pa.Array[Any]], rows: int) -> pa.Array[Any]:
    """A JSON object for each row, its fields in order; NULLs are left out, and a row of NULLs is `{}`.

    Args:
        fields: Arrays of text of the same length, by field name.

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


def groups_of(name: str, groups: Mapping[str, str]) -> list[tuple[str, str]]:
    """The objects that a column goes into, and its name in each.

    Args:
        groups: Patterns by the objects' names; the first group of a pattern is the name inside.
    """
    found = ((group, re.fullmatch(pattern, name, re.DOTALL)) for group, pattern in groups.items())
    return [(group, match[1]) for group, match in found if match]


def with_group(properties: pa.Array[Any], name: str, members: Mapping[str, pa.Array[Any]], rows: int) -> pa.Array[Any]:
    """Properties with one more object at their end; rows in which it would be empty stay as they are.

    Args:
        properties: JSON objects, as `json_objects` gives them.
    """
    plain, inner = _text(properties), _text(json_objects(members, rows))
    opened = pc.utf8_slice_codeunits(plain, 0, -1)
    nothing = pa.scalar("{}")  # not made on import: pyarrow imports pandas for it, where that is installed
    comma = pc.if_else(pc.equal(plain, nothing), "", ",")
    text = _joined(opened, comma, f'"{name}":', inner, "}")
    return pa.ExtensionArray.from_storage(pa.json_(), pc.if_else(pc.equal(inner, nothing), plain, text))


def _text(objects: pa.Array[Any]) -> pa.StringArray:
    return cast("pa.StringArray", cast("pa.ExtensionArray[Any]", objects).storage)


_LINEAGE = (pa.field("file", pa.string()), pa.field("row", pa.int64()))
_RAW = tuple(pa.field(name, pa.string()) for name in ("raw", "raw_base64", "fault"))


def landing_schema(recipe: Recipe, *, with_raw: bool) -> pa.Schema:
    """The columns of `landing`.

    Args:
        recipe: Whose known columns come first.
        with_raw: Whether `lineage` also holds the record's raw text and what is wrong with its form.
    """
    lineage = pa.struct([*_LINEAGE, *_RAW] if with_raw else [*_LINEAGE])
    known = [(name, pa.string()) for name in recipe.columns]
    return pa.schema([*known, ("properties", pa.json_()), ("lineage", lineage)])


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """Which column of a file is which.

    Attributes:
        known: Position in the file of each known column that it has; of two alike, the first.
        properties: Position of each column that goes to `properties`, by its name there.
        unknown: The columns that the recipe does not know, or met twice, as the file names them.
        missing: Known columns that neither the file nor the constants have.
        respelled: Known columns whose names differ in case or blanks around them, as the file names them.
        constants: Values of columns that were not downloaded.
        groups: Position of each column that goes into an object of `properties`, by that object's name and its own.
    """

    known: Mapping[str, int]
    properties: Mapping[str, int | str]
    unknown: tuple[str, ...]
    missing: tuple[str, ...]
    respelled: tuple[str, ...] = ()
    constants: Mapping[str, str] = field(default_factory=dict)
    groups: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @property
    def used(self) -> set[int | str]:
        """The positions that are read."""
        inside = (position for group in self.groups.values() for position in group.values())
        return {*self.known.values(), *self.properties.values(), *inside}


def map_columns(header: Sequence[str], recipe: Recipe, constants: Mapping[str, str], path: Path) -> ColumnMap:
    """Maps a file's header to the recipe's columns.

    Raises:
        LakeError: If the file has a header that lacks a column which must be there.
    """
    known: dict[str, int] = {}
    unknown: dict[int, str] = {}
    groups: dict[str, dict[str, int]] = {}
    given = tuple(header)
    header = tuple(recipe.named(given)) if recipe.named else given
    spelled = {folded(name): name for name in recipe.columns if name not in header}
    names = [name if name in recipe.columns else spelled.get(folded(name), name) for name in header]
    for position, name in enumerate(names):
        if name in recipe.columns and name not in known:
            known[name] = position
        elif members := groups_of(name, recipe.property_groups):
            for group, member in members:
                inside = groups.setdefault(group, {})
                inside[_free(member, inside)] = position
        elif recipe.elsewhere and re.fullmatch(recipe.elsewhere, name, re.DOTALL):
            continue
        else:
            unknown[position] = name
    constants = {name: value for name, value in constants.items() if name in recipe.columns and name not in known}
    missing = tuple(name for name in recipe.columns if name not in known and name not in constants)
    lacking = [name for name in recipe.key_columns if name in missing]
    if header and lacking:
        raise LakeError(
            f"{path} has no column {' or '.join(lacking)}, without which its records can't be told apart or put "
            "in time. Look at the file's first line; pull the partition again with "
            f"`journey-pipeline backfill {selection_at(path)} --again`."
        )
    taken = {name: known.get(column, column) for name, column in recipe.properties.items() if column not in missing}
    properties: dict[str, int | str] = dict(taken)
    for name, position in [*groups.pop("", {}).items(), *((name, position) for position, name in unknown.items())]:
        properties[_free(name, properties)] = position
    respelled = tuple(spelling for spelling, name in zip(header, names, strict=True) if spelling != name)
    return ColumnMap(known, properties, tuple(unknown.values()), missing, respelled, constants, groups)


def read_batch(records: Records, name: str, constants: Mapping[str, str], schema: pa.Schema) -> pa.RecordBatch:
    """Some records that a reader has read, as a batch of `landing`.

    Args:
        name: Of their file, as lineage names it.
        constants: Values of columns that were not downloaded.
    """
    rows = len(records.numbers)

    def column(known: str) -> pa.Array[Any]:
        found = records.columns.get(known)
        return pa.repeat(pa.scalar(constants.get(known) or None, pa.string()), rows) if found is None else found

    parts = [pa.repeat(pa.scalar(name), rows), records.numbers]
    if schema.field("lineage").type.num_fields > len(parts):
        parts += raw_fields(records.raw, records.faults)
    properties = pa.ExtensionArray.from_storage(pa.json_(), records.properties)
    return relation([column(known) for known in schema.names[:-2]], properties, parts, schema)


def relation(
    known: list[pa.Array[Any]], properties: pa.Array[Any], lineage: list[pa.Array[Any]], schema: pa.Schema
) -> pa.RecordBatch:
    """A batch of `landing`.

    Args:
        lineage: File, row, and with raw text what `raw_fields` gives.
    """
    fields = list(schema.field("lineage").type)
    return pa.RecordBatch.from_arrays(
        [*known, properties, pa.StructArray.from_arrays(lineage, fields=fields)], schema=schema
    )


def raw_fields(records: Sequence[bytes], faults: Sequence[str | None]) -> list[pa.Array[Any]]:
    """Raw text, the raw bytes in base64 where text can't hold them, and what is wrong with the form."""
    texts = [raw.decode(errors="replace") for raw in records]
    intact = (text.encode() == raw for text, raw in zip(texts, records, strict=True))
    encoded = [None if same else base64.b64encode(raw).decode() for same, raw in zip(intact, records, strict=True)]
    return [pa.array(values, pa.string()) for values in (texts, encoded, faults)]


def _free(name: str, taken: Mapping[str, object]) -> str:
    """The name, with the first free number after it where it is taken: nothing may overwrite another."""
    candidate, number = name, 1
    while candidate in taken:
        number += 1
        candidate = f"{name}#{number}"
    return candidate
