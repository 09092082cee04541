"""Landed files that a vendor's own reader reads: events as batches of `landing`, attributes as a file beside them.

Attributes are those of the newest attempt alone: an older one is out of date, and its time is not the partition's.
Not here: delimited text (`csv_source.py`), a vendor's reader (`vendors/`), the files' place (`lake/events.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa

from journey_pipeline.formats.records import AttributeReader, RecordReader
from journey_pipeline.lake.manifest import Attempt, LandedFile
from journey_pipeline.model import ATTRIBUTE_COLUMNS
from journey_pipeline.normalize.landed_file import Inflated, check_landed, told_of_file
from journey_pipeline.normalize.relation import landing_schema, read_batch
from journey_pipeline.normalize.session import NormalizeLimits, Session, quoted
from journey_pipeline.normalize.staging import copy_batches
from journey_pipeline.recipe import Recipe

ATTRIBUTE_KEY = ("section_id", "profile_key", "attribute_id")
_TYPED = ", ".join(f"{column.name}::{column.type} as {column.name}" for column in ATTRIBUTE_COLUMNS)
_KEY = ", ".join(ATTRIBUTE_KEY)


@dataclass(slots=True)
class ReaderSource:
    """One landed file and who reads it; a `Source`.

    Attributes:
        attempt: The attempt that it belongs to.
        rows: Records counted while landing; now, if the connection said otherwise then of where they are.
        read: Records that were handed to the recipe.
        faults: Records whose form is wrong.
        unknown: Names of unknown fields; final once the file was read.
    """

    attempt: str
    rows: int
    read: int = 0
    faults: int = 0
    unknown: tuple[str, ...] = ()
    _missing: tuple[str, ...] = ()
    _mapping: Mapping[str, str] = field(default_factory=dict)
    _path: Path = field(kw_only=True)
    _name: str = field(kw_only=True)
    _recipe: Recipe = field(kw_only=True)
    _reader: RecordReader = field(kw_only=True)
    _constants: Mapping[str, str] = field(kw_only=True)
    _is_counted: bool = field(kw_only=True)

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        name: str,
        file: LandedFile,
        recipe: Recipe,
        reader: RecordReader,
        constants: Mapping[str, str],
    ) -> Self:
        """Checks a file against its manifest.

        Args:
            name: As lineage names it, `partition/attempt/file`.
            file: What the manifest says of it.
            recipe: What it is read for.
            constants: Values of columns that were not downloaded.

        Raises:
            LakeError: If it is not what landed.
        """
        check_landed(path, file)
        return cls(
            path.parent.name,
            file.rows,
            _path=path,
            _name=name,
            _recipe=recipe,
            _reader=reader,
            _constants=constants,
            _is_counted=file.counted_at == recipe.records_at,
        )

    @property
    def missing(self) -> tuple[str, ...]:
        """Columns of the recipe that neither a field nor a constant stands for; final once the file was read."""
        return tuple(name for name in self._missing if name not in self._constants)

    @property
    def mapping(self) -> Mapping[str, str]:
        """The field that each column is read from, where the reader finds that out; final once the file was read."""
        return self._mapping

    @property
    def respelled(self) -> tuple[str, ...]:
        """None: readers tell fields apart by their own rules."""
        return ()

    def good(self, limits: NormalizeLimits) -> Iterator[pa.RecordBatch]:
        """The records whose form is right, counted.

        Args:
            limits: Not asked: how long a record may be is the reader's affair.

        Raises:
            LakeError: If the file is damaged, or a record is longer than the reader takes.
            ContractError: If it is whole and can't be understood.
        """
        del limits
        self.read = self.faults = 0
        schema = landing_schema(self._recipe, with_raw=False)
        with closing(Inflated(self._path)) as content:
            reading = self._reader.read(content.chunks(), with_raw=False)
            for records in told_of_file(reading, self._path):
                self.read += len(records.numbers)
                yield read_batch(records, self._name, self._constants, schema)
                # Arrow keeps what it no longer needs; DuckDB, which sorts meanwhile, has no use for it.
                pa.default_memory_pool().release_unused()
        self.faults, self.unknown, self._missing = reading.faults, reading.unknown, reading.missing
        self._mapping = reading.mapping
        if not self._is_counted:
            self.rows = self.read + self.faults

    def with_raw(self, limits: NormalizeLimits, *, faults_only: bool) -> Iterator[pa.RecordBatch]:
        """All records, or those whose form is wrong, each with its raw text."""
        del limits
        schema = landing_schema(self._recipe, with_raw=True)
        with closing(Inflated(self._path)) as content:
            reading = self._reader.read(content.chunks(), with_raw=True)
            for records in told_of_file(reading, self._path):
                batch = read_batch(records, self._name, self._constants, schema)
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
    if not copy_batches(
        session, _attributes(reader, answers, paths), reader.schema, f"select {_TYPED} from landing", staged
    ):
        return 0
    numbered = f"read_parquet({quoted(str(staged))}, file_row_number = true)"
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
            yield from told_of_file(reader.read(content.chunks(), answers), path)
