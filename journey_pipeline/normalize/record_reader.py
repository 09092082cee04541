"""Landed files that a vendor's own reader reads: events as batches of `landing`, attributes as a file beside them.

Attributes are those of the newest attempt alone: an older one is out of date, and its time is not the partition's.
Not here: delimited text (`csv_source.py`), a vendor's reader (`vendors/`), the files' place (`lake/events.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa

from journey_pipeline.formats.records import AttributeReader, RecordReader
from journey_pipeline.lake.manifest import Attempt, LandedFile
from journey_pipeline.model import ATTRIBUTE_COLUMNS
from journey_pipeline.normalize.landed_file import Inflated, Source, check_landed, told_of_file
from journey_pipeline.normalize.relation import landing_schema, read_batch
from journey_pipeline.normalize.session import NormalizeLimits, Session
from journey_pipeline.normalize.staging import copy_batches
from journey_pipeline.recipe import Recipe
from journey_pipeline.sql import literal

ATTRIBUTE_KEY = ("section_id", "profile_key", "attribute_id")
_TYPED = ", ".join(f"{column.name}::{column.type} as {column.name}" for column in ATTRIBUTE_COLUMNS)
_KEY = ", ".join(ATTRIBUTE_KEY)
_SCHEMA = pa.schema(
    [(column.name, pa.bool_() if column.type == "BOOLEAN" else pa.string()) for column in ATTRIBUTE_COLUMNS]
)
_ROWS_AT_ONCE = 16_384


@dataclass(slots=True, kw_only=True)
class ReaderSource(Source):
    """One landed file and the vendor's reader of it.

    Attributes:
        is_counted: Whether its records were counted where they are read now; else those that are read count.
    """

    reader: RecordReader
    is_counted: bool

    @classmethod
    def open(
        cls, path: Path, file: LandedFile, recipe: Recipe, constants: Mapping[str, str], reader: RecordReader
    ) -> Self:
        """Checks a file against its manifest.

        Raises:
            LakeError: If it is not what landed.
        """
        check_landed(path, file)
        return cls(
            path=path,
            recipe=recipe,
            constants=constants,
            rows=file.rows,
            reader=reader,
            is_counted=file.counted_at == recipe.records_at,
        )

    def good(self, limits: NormalizeLimits) -> Iterator[pa.RecordBatch]:
        """The records whose form is right, counted; how long one may be is the reader's affair."""
        del limits
        self.read = self.faults = 0
        schema = landing_schema(self.recipe, with_raw=False)
        with closing(Inflated(self.path)) as content:
            reading = self.reader.read(content.chunks(), with_raw=False)
            for records in told_of_file(reading, self.path):
                self.read += len(records.numbers)
                yield read_batch(records, self.name, self.constants, schema)
                # Arrow keeps what it no longer needs; DuckDB, which sorts meanwhile, has no use for it.
                pa.default_memory_pool().release_unused()
        self.faults, self.unknown, self.mapping = reading.faults, reading.unknown, reading.mapping
        self.missing = tuple(name for name in reading.missing if name not in self.constants)
        if not self.is_counted:
            self.rows = self.read + self.faults

    def with_raw(self, limits: NormalizeLimits, *, faults_only: bool) -> Iterator[pa.RecordBatch]:
        """All records, or those whose form is wrong, each with its raw text."""
        del limits
        schema = landing_schema(self.recipe, with_raw=True)
        with closing(Inflated(self.path)) as content:
            reading = self.reader.read(content.chunks(), with_raw=True)
            for records in told_of_file(reading, self.path):
                batch = read_batch(records, self.name, self.constants, schema)
                if faults_only:
                    faulty = np.array([fault is not None for fault in records.faults], np.bool_)
                    batch = batch.filter(pa.array(faulty))
                if batch.num_rows:
                    yield batch


def write_attributes(
    session: Session,
    reader: AttributeReader,
    attempt: Attempt,
    folder: Path,
    to: Path,
    *,
    answers: Sequence[Mapping[str, Any]],
) -> int:
    """Writes the attributes of an attempt, in the order of their key; of rows with one key the last one counts.

    Args:
        attempt: The attempt, whose files are known to be those that landed.
        answers: As the reader asks for them.

    Returns:
        The rows written.

    Raises:
        LakeError: If a file can't be read to its end.
        ContractError: If a file is whole and can't be understood.
    """
    staged = to.with_suffix(".staged.parquet")
    paths = [folder / file.name for file in attempt.files]
    batches = _attributes(reader, answers, paths)
    if not copy_batches(session, batches, _SCHEMA, f"select {_TYPED} from landing", staged):
        return 0
    numbered = f"read_parquet({literal(str(staged))}, file_row_number = true)"
    return session.copy(
        f"""
        select * exclude (file_row_number)
        from {numbered}
        qualify row_number() over (partition by {_KEY} order by file_row_number desc) = 1
        order by {_KEY}
        """,
        to,
    )


def _attributes(
    reader: AttributeReader, answers: Sequence[Mapping[str, Any]], paths: Sequence[Path]
) -> Iterator[pa.RecordBatch]:
    for path in paths:
        with closing(Inflated(path)) as content:
            rows = told_of_file(reader.read(content.chunks(), answers), path)
            while some := list(islice(rows, _ROWS_AT_ONCE)):
                columns = [
                    pa.array(values, one.type) for values, one in zip(zip(*some, strict=True), _SCHEMA, strict=True)
                ]
                yield pa.RecordBatch.from_arrays(columns, schema=_SCHEMA)
