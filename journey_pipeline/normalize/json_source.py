"""A landed file of flat JSON objects as batches of `landing`: an array, or a line each, its members read as columns.

A value is the text that a CSV would have for it; one that holds others is JSON. Not here: JSON that a vendor's own
reader reads (`record_reader.py`), where a record ends (`formats/json_records.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter, methodcaller
from pathlib import Path
from types import NoneType
from typing import Any, NamedTuple, Self

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from journey_pipeline.formats.json_records import RecordSplitter
from journey_pipeline.lake.manifest import LandedFile
from journey_pipeline.normalize.csv_source import CheckedRecord, CsvBatch, landing_batch
from journey_pipeline.normalize.landed_file import Inflated, Source, check_landed, told_of_file
from journey_pipeline.normalize.relation import ColumnMap, landing_schema, map_columns
from journey_pipeline.normalize.session import NormalizeLimits
from journey_pipeline.recipe import Recipe

_RECORDS_AT_ONCE = 4096
_MOST_KNOWN = 500
_NO_FIELD = re.compile(r'["\\\\\x00-\x1f]')  # what the decoder takes in no field's name
_NO_OBJECT = "not a JSON object"
_NO_JSON = "unreadable JSON"

_UNREAD = object()
_UNREADABLE = (msgspec.DecodeError, ValueError, RecursionError)

_decode = msgspec.json.Decoder().decode


@dataclass(slots=True, kw_only=True)
class JsonSource(Source):
    """One landed file of flat JSON objects. Which members they have is found batch by batch."""

    @classmethod
    def open(cls, path: Path, file: LandedFile, recipe: Recipe, constants: Mapping[str, str]) -> Self:
        """Checks a file against its manifest.

        Raises:
            LakeError: If it is not what landed.
        """
        check_landed(path, file)
        return cls(path=path, recipe=recipe, constants=constants, rows=file.rows)

    def good(self, limits: NormalizeLimits) -> Iterator[pa.RecordBatch]:
        """The records whose form is right, counted."""
        self.read = self.faults = 0
        missing = set(self.recipe.columns) - self.constants.keys()
        unknown: dict[str, None] = {}
        respelled: dict[str, None] = {}
        for some in self._decoded(limits):
            places = [place for place in range(len(some.raws)) if place not in some.faults]
            self.faults += len(some.faults)
            self.read += len(places)
            if places:
                columns, batch = self._batch(some, places, raw=False)
                missing.intersection_update(columns.missing)
                unknown |= dict.fromkeys(columns.unknown)
                respelled |= dict.fromkeys(columns.respelled)
                yield batch
        self.unknown, self.respelled = tuple(unknown), tuple(respelled)
        self.missing = tuple(name for name in self.recipe.columns if name in missing)

    def with_raw(self, limits: NormalizeLimits, *, faults_only: bool) -> Iterator[pa.RecordBatch]:
        """All records, or those whose form is wrong, each with its raw text."""
        for some in self._decoded(limits):
            places = [place for place in range(len(some.raws)) if place in some.faults or not faults_only]
            if places:
                _, batch = self._batch(some, places, raw=True)
                yield batch

    def _decoded(self, limits: NormalizeLimits) -> Iterator[_Decoded]:
        """Some records at a time."""
        number, known = 0, _Known()
        with closing(Inflated(self.path)) as content:
            splitting = RecordSplitter(longest_bytes=limits.longest_record_bytes, flat=True).split(content.chunks())
            for some in told_of_file(splitting, self.path):
                for start in range(0, len(some), _RECORDS_AT_ONCE):
                    raws = some[start : start + _RECORDS_AT_ONCE]
                    decoded = known.read(raws, before=number)
                    if not decoded:
                        decoded = _read(raws, before=number)
                        known = _Known(dict.fromkeys(chain(known.names, decoded.members)))
                    yield decoded
                    number += len(raws)

    def _batch(self, some: _Decoded, places: Sequence[int], *, raw: bool) -> tuple[ColumnMap, pa.RecordBatch]:
        records = [some.records[place] for place in places]
        columns = map_columns(tuple(some.members), self.recipe, self.constants, self.path)
        used, nothing = columns.used, pa.nulls(len(records), pa.string())
        arrays: list[pa.Array[Any]] = [
            _texts(list(map(value_of, records))) if at in used else nothing
            for at, value_of in enumerate(some.members.values())
        ]
        numbers = pa.array(np.array(places, np.int64) + (some.before + 1))
        checked = (CheckedRecord(0, some.raws[place], some.faults.get(place), b"") for place in places if raw)
        batch = CsvBatch(arrays, numbers, tuple(checked))
        return columns, landing_batch(batch, self.name, columns, landing_schema(self.recipe, with_raw=raw))


class _Decoded(NamedTuple):
    """Some records.

    Attributes:
        before: How many came before them.
        raws: Their text.
        records: What was read of them; nothing of one whose form is wrong.
        members: Gives each member's value in a record, by the member's name.
        faults: What is wrong with the form of some, by their place.
    """

    before: int
    raws: Sequence[bytes]
    records: Sequence[Any]
    members: Mapping[str, Callable[[Any], Any]]
    faults: Mapping[int, str]


class _Known:
    """Reads records that have no other members than those of these names: twice as fast as where any may come."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self.names = tuple(names)
        self._members: dict[str, Callable[[Any], Any]] = {}
        if 0 < len(self.names) <= _MOST_KNOWN and not any(map(_NO_FIELD.search, self.names)):
            fields = {f"member_{at}": name for at, name in enumerate(self.names)}
            form = msgspec.defstruct(
                "Members", [(field, Any, None) for field in fields], rename=fields, forbid_unknown_fields=True, gc=False
            )
            self._decode = msgspec.json.Decoder(form).decode
            self._members = {name: attrgetter(field) for field, name in fields.items()}

    def read(self, raws: Sequence[bytes], *, before: int) -> _Decoded | None:
        """The records, if all of them are so and none is wrong."""
        try:
            return _Decoded(before, raws, list(map(self._decode, raws)), self._members, {}) if self._members else None
        except _UNREADABLE:
            return None


def _read(raws: Sequence[bytes], *, before: int) -> _Decoded:
    try:
        values = list(map(_decode, raws))
    except _UNREADABLE:
        values = [_read_one(raw) for raw in raws]
    faults = {
        place: _NO_JSON if value is _UNREAD else _NO_OBJECT
        for place, value in enumerate(values)
        if not isinstance(value, dict)
    }
    records = [value if isinstance(value, dict) else {} for value in values]
    members = {name: methodcaller("get", name) for name in dict.fromkeys(chain.from_iterable(records))}
    return _Decoded(before, raws, records, members, faults)


def _read_one(record: bytes) -> Any:
    try:
        return _decode(record)
    except _UNREADABLE:
        return _UNREAD


def _texts(values: Sequence[Any]) -> pa.Array[Any]:
    """Values as the text of a CSV, NULL where they are empty."""
    try:
        texts = pa.array(values, pa.string())
    except pa.ArrowTypeError:  # not all of them are text
        if set(map(type, values)) <= {int, NoneType}:
            with suppress(OverflowError):  # beyond 64 bits
                return pa.array(values, pa.int64()).cast(pa.string())
        return pa.array(list(map(_text, values)), pa.string())
    is_empty = pc.equal(texts, pa.scalar(""))
    return pc.if_else(is_empty, None, texts) if pc.any(is_empty).as_py() else texts


def _text(value: Any) -> str | None:
    """A value as the text of a CSV; None if it is empty."""
    if isinstance(value, str):
        return value or None
    if value is None or isinstance(value, bool):
        return None if value is None else str(value).lower()
    return str(value) if isinstance(value, int | float) else msgspec.json.encode(value).decode()
