"""Landed files through a recipe into a Parquet file: read ahead in one thread, computed in another.

A file is read at full speed first; one that turns out irregular is read again record by record. Not here: which files
(`normalize.py`), what becomes of repeated keys (`deduplication.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from journey_pipeline.errors import LakeError
from journey_pipeline.lake.csv_batches import (
    CheckedRecord,
    CsvBatch,
    IrregularError,
    LongRecordError,
    checked_batches,
    fast_batches,
)
from journey_pipeline.lake.landed_file import LandedCsv
from journey_pipeline.lake.landing_relation import ColumnMap, landing_batch, landing_schema
from journey_pipeline.lake.read_ahead import read_ahead
from journey_pipeline.lake.session import NormalizeLimits, Session
from journey_pipeline.model import Recipe

_BLOCK_GROWTH = 8


@dataclass(slots=True)
class Source:
    """One landed file and how it has to be read.

    Attributes:
        landed: The file.
        columns: Which of its columns is which.
        attempt: The attempt that it belongs to.
        block_bytes: How much is parsed at a time; grows where a record is longer.
        irregular: Whether it has to be read record by record.
        read: Records that were handed to the recipe.
        faults: Records whose form is wrong.
    """

    landed: LandedCsv
    columns: ColumnMap
    attempt: str
    block_bytes: int
    irregular: bool = False
    read: int = 0
    faults: int = 0

    def good(self, limits: NormalizeLimits) -> Iterator[CsvBatch]:
        """The records whose form is right, counted.

        Raises:
            IrregularError: If the file has to be read again from its start, another way than now.
            LakeError: If a record is longer than the limits allow.
        """
        self.read = self.faults = 0
        if not self.landed.header:
            return
        try:
            for batch in self._batches(limits):
                self.read += len(batch.numbers)
                yield batch
        except IrregularError:
            self.irregular = True
            raise
        except LongRecordError as error:
            if self.irregular or self.block_bytes >= limits.longest_record_bytes:
                raise LakeError(
                    f"{self.landed.path} has a record longer than {limits.longest_record_bytes} bytes, or a quote that "
                    "is never closed. Look at the file; raise `longest_record_bytes` of NormalizeLimits if it is right."
                ) from error
            self.block_bytes = min(self.block_bytes * _BLOCK_GROWTH, limits.longest_record_bytes)
            raise IrregularError from error

    def _batches(self, limits: NormalizeLimits) -> Iterator[CsvBatch]:
        if self.irregular:
            return checked_batches(self.landed, self.block_bytes, limits.longest_record_bytes, self._is_good)
        return fast_batches(self.landed, self.block_bytes)

    def _is_good(self, record: CheckedRecord) -> bool:
        self.faults += record.fault is not None
        return record.fault is None


def stage_events(session: Session, sources: Sequence[Source], recipe: Recipe, select: str, to: Path) -> int:
    """Writes the events of some files, in the files' order.

    Args:
        session: Where it runs.
        sources: The files; each knows afterwards how many records it handed on.
        recipe: How records become events.
        select: The statement over `landing`.
        to: The Parquet file.

    Returns:
        The events written.

    Raises:
        LakeError: If a file can't be inflated, or a record is longer than the limits allow.
    """
    schema = landing_schema(recipe, with_raw=False)
    while True:
        try:
            return _copy(
                session, _relation(sources, schema, lambda source: source.good(session.limits)), schema, select, to
            )
        except IrregularError:
            continue  # the source knows now how to be read


def stage_rejects(
    session: Session, sources: Sequence[Source], recipe: Recipe, select: str, to: Path, *, faults_only: bool
) -> int:
    """Writes the records of some files that are no events, with their raw text.

    Args:
        session: Where it runs.
        sources: The files.
        recipe: How records become events.
        select: The statement over `landing`.
        to: The Parquet file.
        faults_only: Whether the recipe itself refused none, so that only records of wrong form need to be read.

    Returns:
        The rejects written.
    """
    schema = landing_schema(recipe, with_raw=True)
    longest = session.limits.longest_record_bytes

    def wanted(record: CheckedRecord) -> bool:
        return not faults_only or record.fault is not None

    def batches(source: Source) -> Iterator[CsvBatch]:
        if source.landed.header and (source.faults or not faults_only):
            yield from checked_batches(source.landed, source.block_bytes, longest, wanted)

    return _copy(session, _relation(sources, schema, batches), schema, select, to)


def _relation(
    sources: Sequence[Source], schema: pa.Schema, batches: Callable[[Source], Iterator[CsvBatch]]
) -> Iterator[pa.RecordBatch]:
    for source in sources:
        for batch in batches(source):
            yield landing_batch(batch, source.landed, source.columns, schema)


def _copy(session: Session, batches: Iterator[pa.RecordBatch], schema: pa.Schema, select: str, to: Path) -> int:
    with read_ahead(batches) as ahead:
        session.connection.register("landing", pa.RecordBatchReader.from_batches(schema, iter(ahead)))
        try:
            return session.copy(select, to)
        except duckdb.Error:
            if ahead.failure:  # DuckDB knows only its text
                raise ahead.failure from None
            raise
        finally:
            session.connection.unregister("landing")
