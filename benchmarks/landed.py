"""A landed export as those see it who only make rows of it: its file, what the account had defined, a Parquet file.

The rows are the same for everyone, text but for their number. Imports next to nothing of the pipeline. Not here: who
makes the rows (`contenders/export_reader.py`, `export_ijson.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import pyarrow as pa
import pyarrow.parquet as pq
from isal import igzip

COLUMNS = (
    "profile_key",
    "section_id",
    "email",
    "event_type",
    "correlation_id",
    "source_event_time",
    "type_id",
    "created_at",
    "journey_id",
    "journey_name",
    "activity_id",
    "activity_name",
    "properties",
)
_TYPES: Mapping[str, pa.DataType] = {"number": pa.int64(), **dict.fromkeys(COLUMNS, pa.string())}
SCHEMA = pa.schema(_TYPES)
ROWS_AT_ONCE = 16_384
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Landed:
    """An export that has landed.

    Attributes:
        file: Gzip of one JSON object.
        answers: What the vendor said besides, under `definitions` what the account had defined.
    """

    file: Path
    answers: Mapping[str, Any]

    @classmethod
    def found(cls, home: Path) -> Landed:
        """The one export of a home."""
        (manifest,) = home.glob("raw/*/*/*/manifest.json")
        (file,) = home.glob("raw/*/*/*/*/part-0.json.gz")
        return cls(file, json.loads(manifest.read_text(encoding="utf-8"))["attempts"][-1]["answers"])

    def inflated(self) -> IO[bytes]:
        """The file, open, as JSON."""
        return cast("IO[bytes]", igzip.open(self.file, "rb"))  # type: ignore[no-untyped-call]


def chunks(file: IO[bytes]) -> Iterator[bytes]:
    """All that is left of an open file."""
    while chunk := file.read(CHUNK_BYTES):
        yield chunk


def write(batches: Iterable[list[pa.Array[Any]]], to: Path) -> int:
    """Writes rows.

    Args:
        batches: A column each, as `SCHEMA` has them, some thousand rows at a time.

    Returns:
        How many there are.
    """
    rows = 0
    with pq.ParquetWriter(to, SCHEMA, compression="zstd", compression_level=1) as writer:
        for columns in batches:
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=SCHEMA))
            rows += len(columns[0])
    return rows
