"""A landed file of flat JSON objects as batches of `landing`: an array, or a line each, its members read as columns.

A value is the text that a CSV would have for it; one that holds others is JSON. Not here: JSON that a vendor's own
reader reads (`record_reader.py`), where a record ends (`formats/json_records.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import msgspec
import pyarrow as pa

from journey_pipeline.formats.json_records import RecordSplitter
from journey_pipeline.lake.manifest import LandedFile
from journey_pipeline.normalize.csv_source import CheckedRecord, CsvBatch, landing_batch
from journey_pipeline.normalize.landed_file import Inflated, check_landed, told_of_file
from journey_pipeline.normalize.relation import landing_schema, map_columns
from journey_pipeline.normalize.session import NormalizeLimits
from journey_pipeline.normalize.staging import Source
from journey_pipeline.recipe import Recipe

_RECORDS_AT_ONCE = 4096
_NO_OBJECT = "not a JSON object"
_NO_JSON = "unreadable JSON"

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
        for records, values in self._decoded(limits):
            objects = [(record, value) for record, value in zip(records, values, strict=True) if not record.fault]
            self.faults += len(records) - len(objects)
            self.read += len(objects)
            if objects:
                columns, batch = self._batch([one for one, _ in objects], [value for _, value in objects], raw=False)
                missing.intersection_update(columns.missing)
                unknown |= dict.fromkeys(columns.unknown)
                respelled |= dict.fromkeys(columns.respelled)
                yield batch
        self.unknown, self.respelled = tuple(unknown), tuple(respelled)
        self.missing = tuple(name for name in self.recipe.columns if name in missing)

    def with_raw(self, limits: NormalizeLimits, *, faults_only: bool) -> Iterator[pa.RecordBatch]:
        """All records, or those whose form is wrong, each with its raw text."""
        for records, values in self._decoded(limits):
            wanted = [place for place, one in enumerate(records) if one.fault or not faults_only]
            if wanted:
                _, batch = self._batch([records[at] for at in wanted], [values[at] for at in wanted], raw=True)
                yield batch

    def _decoded(self, limits: NormalizeLimits) -> Iterator[tuple[list[CheckedRecord], list[dict[str, Any]]]]:
        """Some records at a time, with their members; of one whose form is wrong, none."""
        number = 0
        with closing(Inflated(self.path)) as content:
            splitting = RecordSplitter(longest_bytes=limits.longest_record_bytes, flat=True).split(content.chunks())
            for some in told_of_file(splitting, self.path):
                for start in range(0, len(some), _RECORDS_AT_ONCE):
                    raws = some[start : start + _RECORDS_AT_ONCE]
                    read = [_read(raw) for raw in raws]
                    records = [
                        CheckedRecord(number + place, raw, fault, b"")
                        for place, (raw, (_, fault)) in enumerate(zip(raws, read, strict=True), start=1)
                    ]
                    number += len(raws)
                    yield records, [members for members, _ in read]

    def _batch(
        self, records: Sequence[CheckedRecord], values: Sequence[Mapping[str, Any]], *, raw: bool
    ) -> tuple[Any, pa.RecordBatch]:
        header = tuple(dict.fromkeys(name for members in values for name in members))
        columns = map_columns(header, self.recipe, self.constants, self.path)
        used, nothing = columns.used, pa.nulls(len(values), pa.string())
        arrays: list[pa.Array[Any]] = [
            pa.array([_text(members.get(name)) for members in values], pa.string()) if at in used else nothing
            for at, name in enumerate(header)
        ]
        numbers = pa.array([record.number for record in records], pa.int64())
        batch = CsvBatch(arrays, numbers, tuple(records) if raw else ())
        return columns, landing_batch(batch, self.name, columns, landing_schema(self.recipe, with_raw=raw))


def _read(record: bytes) -> tuple[dict[str, Any], str | None]:
    try:
        value = _decode(record)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return {}, _NO_JSON
    return (value, None) if isinstance(value, dict) else ({}, _NO_OBJECT)


def _text(value: Any) -> str | None:
    """A value as the text of a CSV; None if it is empty."""
    if isinstance(value, str):
        return value or None
    if value is None or isinstance(value, bool):
        return None if value is None else str(value).lower()
    return str(value) if isinstance(value, int | float) else msgspec.json.encode(value).decode()
