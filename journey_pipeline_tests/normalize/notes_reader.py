"""A vendor's reader as small as one can be: notes as JSON objects, in an array or line by line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from journey_pipeline.errors import ContractError
from journey_pipeline.formats.json_records import RecordSplitter
from journey_pipeline.formats.records import Reading, Records
from journey_pipeline.recipe import Recipe
from journey_pipeline_tests.lake.made_landing import NOTES

COLUMNS = NOTES.columns


@dataclass
class NotesReading:
    chunks: Iterable[bytes]
    with_raw: bool
    faults: int = 0
    unknown: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    mapping: Mapping[str, str] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Records]:
        number, names = 0, set[str]()
        for raws in RecordSplitter(["notes"], longest_bytes=100_000).split(self.chunks):
            values = [as_object(raw) for raw in raws]
            names.update(name for value in values if value for name in value)
            if "unmappable" in names:
                raise ContractError("no time was found in notes: At. Name the field.", vendor="sfmc")
            numbered = list(zip(range(number + 1, number + len(raws) + 1), raws, values, strict=True))
            number += len(raws)
            self.faults += sum(value is None for value in values)
            yield self._records(numbered if self.with_raw else [one for one in numbered if one[2] is not None])
        self.unknown = tuple(sorted(names - {*COLUMNS}))
        self.missing = tuple(name for name in COLUMNS if number and name not in names)

    def _records(self, numbered: Sequence[tuple[int, bytes, dict[str, Any] | None]]) -> Records:
        values = [value or {} for _, _, value in numbered]
        rest = [{name: value for name, value in one.items() if name not in COLUMNS[1:]} for one in values]
        present = [name for name in COLUMNS if any(name in value for value in values)]
        return Records(
            numbers=pa.array([number for number, _, _ in numbered], pa.int64()),
            columns={name: pa.array([one.get(name) for one in values], pa.string()) for name in present},
            properties=pa.array([json.dumps(one, ensure_ascii=False) for one in rest], pa.string()),
            raw=[raw for _, raw, _ in numbered] if self.with_raw else (),
            faults=["no JSON object" if value is None else None for _, _, value in numbered] if self.with_raw else (),
        )


@dataclass
class NotesReader:
    version: str = "1"

    def read(self, chunks: Iterable[bytes], *, with_raw: bool) -> Reading:
        return NotesReading(chunks, with_raw)


def as_object(raw: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(raw)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


JSON_NOTES: Recipe = replace(NOTES, format="json", reader=NotesReader(), properties={})
