"""A landed CSV as batches of `landing`: at full speed while it is regular, else again from its start, record by record.

Not here: the reading itself (`csv_batches.py`), files of other formats (`record_reader.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import pyarrow as pa

from journey_pipeline.errors import LakeError
from journey_pipeline.lake.manifest import LandedFile
from journey_pipeline.normalize.csv_batches import (
    CheckedRecord,
    CsvBatch,
    IrregularError,
    LongRecordError,
    checked_batches,
    fast_batches,
)
from journey_pipeline.normalize.landed_file import LandedCsv, open_landed
from journey_pipeline.normalize.relation import ColumnMap, landing_batch, landing_schema, map_columns
from journey_pipeline.normalize.session import NormalizeLimits
from journey_pipeline.recipe import Recipe

_BLOCK_GROWTH = 8


@dataclass(slots=True)
class CsvSource:
    """One landed CSV file and how it has to be read; a `Source`.

    Attributes:
        attempt: The attempt that it belongs to.
        rows: Records counted while landing.
        read: Records that were handed to the recipe.
        faults: Records whose form is wrong.
    """

    attempt: str
    rows: int
    read: int = 0
    faults: int = 0
    _recipe: Recipe = field(kw_only=True)
    _landed: LandedCsv = field(kw_only=True)
    _columns: ColumnMap = field(kw_only=True)
    _block_bytes: int = field(kw_only=True)
    _is_irregular: bool = False

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        name: str,
        file: LandedFile,
        recipe: Recipe,
        constants: Mapping[str, str],
        block_bytes: int,
    ) -> Self:
        """Checks a file against its manifest and reads its header.

        Args:
            name: As lineage names it, `partition/attempt/file`.
            file: What the manifest says of it.
            recipe: What it is read for.
            constants: Values of columns that were not downloaded.
            block_bytes: How much is parsed at a time; grows where a record is longer.

        Raises:
            LakeError: If it is not what landed, or its header lacks what must be there.
        """
        landed = open_landed(path, name, file, recipe.delimiter)
        columns = map_columns(landed, recipe, constants)
        attempt = path.parent.name
        return cls(attempt, file.rows, _recipe=recipe, _landed=landed, _columns=columns, _block_bytes=block_bytes)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Columns that the recipe does not know, or met twice, as the file names them."""
        return self._columns.unknown

    @property
    def missing(self) -> tuple[str, ...]:
        """Known columns that neither the file nor the constants have."""
        return self._columns.missing

    @property
    def respelled(self) -> tuple[str, ...]:
        """Known columns whose names differ in case or blanks around them, as the file names them."""
        return self._columns.respelled

    @property
    def mapping(self) -> Mapping[str, str]:
        """None: the recipe says which column is which."""
        return {}

    def good(self, limits: NormalizeLimits) -> Iterator[pa.RecordBatch]:
        """The records whose form is right, counted.

        Raises:
            IrregularError: If the file has to be read again from its start, another way than now.
            LakeError: If a record is longer than the limits allow.
        """
        self.read = self.faults = 0
        if not self._landed.header:
            return
        schema = landing_schema(self._recipe, with_raw=False)
        try:
            for batch in self._batches(limits):
                self.read += len(batch.numbers)
                yield landing_batch(batch, self._landed, self._columns, schema)
        except IrregularError:
            self._is_irregular = True
            raise
        except LongRecordError as error:
            if self._is_irregular or self._block_bytes >= limits.longest_record_bytes:
                raise LakeError(
                    f"{self._landed.path} has a record longer than {limits.longest_record_bytes} bytes, or a quote "
                    "that is never closed. Look at the file; raise `longest_record_bytes` of NormalizeLimits if it is "
                    "right."
                ) from error
            self._block_bytes = min(self._block_bytes * _BLOCK_GROWTH, limits.longest_record_bytes)
            raise IrregularError from error

    def with_raw(self, limits: NormalizeLimits, *, faults_only: bool) -> Iterator[pa.RecordBatch]:
        """All records, or those whose form is wrong, each with its raw text."""
        if not self._landed.header:
            return
        schema = landing_schema(self._recipe, with_raw=True)

        def wanted(record: CheckedRecord) -> bool:
            return not faults_only or record.fault is not None

        for batch in checked_batches(self._landed, self._block_bytes, limits.longest_record_bytes, wanted):
            yield landing_batch(batch, self._landed, self._columns, schema)

    def _batches(self, limits: NormalizeLimits) -> Iterator[CsvBatch]:
        if self._is_irregular:
            return checked_batches(self._landed, self._block_bytes, limits.longest_record_bytes, self._is_good)
        return fast_batches(self._landed, self._block_bytes)

    def _is_good(self, record: CheckedRecord) -> bool:
        self.faults += record.fault is not None
        return record.fault is None
