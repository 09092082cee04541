"""Landed files that a vendor's own reader reads, as batches of the relation `landing`; and a digest of what files say.

The digest does not depend on the order of records. Not here: delimited text (`csv_source.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, TypeVar

import numpy as np
import pyarrow as pa

from journey_pipeline.errors import ContractError, LakeError
from journey_pipeline.formats.csv_records import split_records, without_line_end
from journey_pipeline.formats.json_scan import DocumentError, NoRecordsError
from journey_pipeline.formats.records import RecordReader
from journey_pipeline.lake.layout import selection_at
from journey_pipeline.lake.manifest import LandedFile
from journey_pipeline.normalize.landed_file import Inflated, check_landed
from journey_pipeline.normalize.relation import landing_schema, read_batch
from journey_pipeline.normalize.session import NormalizeLimits
from journey_pipeline.recipe import Recipe

Item = TypeVar("Item")


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


def told_of_file(reading: Iterable[Item], path: Path) -> Iterator[Item]:
    """What a reader reads of a file; an error of the file's form says which file it is.

    Raises:
        LakeError: If the file is not whole, or a record is longer than the reader takes.
        ContractError: If it is whole and there are no records in it, or the reader can't understand it.
    """
    try:
        yield from reading
    except NoRecordsError as error:
        raise ContractError(
            f"{path} {error}. Look at the file, and tell the connection where the records are."
        ) from error
    except DocumentError as error:
        raise LakeError(
            f"{path} {error}, so no events can be made of it. Look at the file; pull the partition again with "
            f"`journey-pipeline backfill {selection_at(path)} --again`."
        ) from error


_MODULUS = 1 << 128
LONGEST_RECORD_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class ContentDigest:
    """What can be compared of an answer.

    Attributes:
        header: Its header line, if it is delimited text; the same columns in another order are another header.
        records: How many records it has.
        total: The sum of the records' hashes.
    """

    header: bytes
    records: int
    total: int


def content_digest(files: Iterable[Path], recipe: Recipe) -> ContentDigest:
    """Digests the parts of one answer, record by record.

    Args:
        files: Gzip files; of delimited text all with the same header line.
        recipe: What they are read for.

    Raises:
        LakeError: If one of them can't be inflated, or not be read to its end.
        ContractError: If the recipe's reader does not understand one of them.
    """
    header, count, total = b"", 0, 0
    for file in files:
        with closing(Inflated(file)) as content:
            records = _records(content, file, recipe)
            if not recipe.reader:
                header = next(records, header)
            for record in records:
                digest = hashlib.blake2b(record, digest_size=16).digest()
                count, total = count + 1, (total + int.from_bytes(digest)) % _MODULUS
    return ContentDigest(header, count, total)


def _records(content: Inflated, file: Path, recipe: Recipe) -> Iterator[bytes]:
    if recipe.reader:
        reading = recipe.reader.read(content.chunks(), with_raw=True)
        return (raw for some in told_of_file(reading, file) for raw in some.raw)
    records = split_records(content.chunks(), recipe.delimiter.encode(), LONGEST_RECORD_BYTES)
    return (without_line_end(record.raw) for record in records)
