"""A landed Parquet file as batches of `landing`: DuckDB reads it where it lies, its values as the text of a CSV.

A value that holds others is JSON. Not here: other formats (`csv_source.py`, `record_reader.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import duckdb
import pyarrow as pa

from journey_pipeline.errors import LakeError, text_of
from journey_pipeline.lake.layout import selection_at
from journey_pipeline.lake.manifest import LandedFile
from journey_pipeline.normalize.csv_source import CheckedRecord, CsvBatch, LandedCsv, landing_batch
from journey_pipeline.normalize.landed_file import check_landed
from journey_pipeline.normalize.relation import ColumnMap, landing_schema, map_columns
from journey_pipeline.normalize.session import NormalizeLimits, Session, quoted
from journey_pipeline.recipe import Recipe

_ROWS_AT_ONCE = 20_480
_NESTED = ("STRUCT", "MAP", "UNION")


@dataclass(slots=True)
class ParquetSource:
    """One landed Parquet file; a `Source`.

    Attributes:
        attempt: The attempt that it belongs to.
        rows: Records counted while landing.
        read: Records that were handed to the recipe.
        faults: None: the form of a row can't be wrong.
        mapping: None: the recipe says which column is which.
    """

    attempt: str
    rows: int
    read: int = 0
    faults: int = 0
    mapping: Mapping[str, str] = field(default_factory=dict)
    _recipe: Recipe = field(kw_only=True)
    _landed: LandedCsv = field(kw_only=True)
    _types: tuple[str, ...] = field(kw_only=True)
    _columns: ColumnMap = field(kw_only=True)
    _connection: duckdb.DuckDBPyConnection = field(kw_only=True)

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        name: str,
        file: LandedFile,
        recipe: Recipe,
        constants: Mapping[str, str],
        session: Session,
    ) -> Self:
        """Checks a file against its manifest and reads which columns it has.

        Args:
            name: As lineage names it, `partition/attempt/file`.
            file: What the manifest says of it.
            recipe: What it is read for.
            constants: Values of columns that were not downloaded.
            session: Whose DuckDB reads it, beside the statement that takes the batches.

        Raises:
            LakeError: If it is not what landed, can't be read, or lacks a column that must be there.
        """
        check_landed(path, file)
        connection = session.connection.cursor()
        connection.execute("set timezone = 'UTC'")
        try:
            found = connection.execute(f"describe from read_parquet({quoted(str(path))})").fetchall()
        except duckdb.Error as error:
            raise _unreadable(path, error) from error
        landed = LandedCsv(path, name, file.rows, recipe.delimiter, tuple(column[0] for column in found), 0)
        return cls(
            path.parent.name,
            file.rows,
            _recipe=recipe,
            _landed=landed,
            _types=tuple(column[1] for column in found),
            _columns=map_columns(landed.header, recipe, constants, path),
            _connection=connection,
        )

    @property
    def unknown(self) -> tuple[str, ...]:
        """Columns that the recipe does not know."""
        return self._columns.unknown

    @property
    def missing(self) -> tuple[str, ...]:
        """Known columns that neither the file nor the constants have."""
        return self._columns.missing

    @property
    def respelled(self) -> tuple[str, ...]:
        """Known columns whose names differ in case or blanks around them, as the file names them."""
        return self._columns.respelled

    def good(self, limits: NormalizeLimits) -> Iterator[pa.RecordBatch]:
        """All records, counted.

        Raises:
            LakeError: If the file can't be read.
        """
        del limits
        self.read = 0
        schema = landing_schema(self._recipe, with_raw=False)
        for columns in self._batches(""):
            *values, numbers = columns
            self.read += len(numbers)
            yield landing_batch(CsvBatch(values, numbers), self._landed, self._columns, schema)

    def with_raw(self, limits: NormalizeLimits, *, faults_only: bool) -> Iterator[pa.RecordBatch]:
        """All records, each as a JSON object; of faults alone, none."""
        del limits
        if faults_only:
            return
        members = ", ".join(f"{_identifier(name)} := {_identifier(name)}" for name in self._landed.header)
        schema = landing_schema(self._recipe, with_raw=True)
        for columns in self._batches(f"to_json(struct_pack({members}))::varchar, "):
            *values, raws, numbers = columns
            texts: list[Any] = raws.to_pylist()
            records = tuple(
                CheckedRecord(number, raw.encode(), None, b"")
                for number, raw in enumerate(texts, start=numbers[0].as_py())
            )
            yield landing_batch(CsvBatch(values, numbers, records), self._landed, self._columns, schema)

    def _batches(self, more: str) -> Iterator[list[pa.Array[Any]]]:
        """The columns as text, what is asked for besides, and the records' numbers."""
        texts = "".join(f"{_text(name, kind)}, " for name, kind in zip(self._landed.header, self._types, strict=True))
        file = f"read_parquet({quoted(str(self._landed.path))}, file_row_number = true)"
        select = f"select {texts}{more}file_row_number + 1 from {file}"
        try:
            reader: Any = self._connection.sql(select).to_arrow_reader(_ROWS_AT_ONCE)
            for batch in reader:
                yield batch.columns
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            raise _unreadable(self._landed.path, error) from error


def _text(name: str, kind: str) -> str:
    """A column as text, NULL where it is empty."""
    column = _identifier(name)
    if kind.startswith(_NESTED) or kind.endswith("]"):
        return f"to_json({column})::varchar"
    if kind == "BLOB":  # text without its mark, as files of version 1.0 have it
        return f"nullif(coalesce(try(decode({column})), {column}::varchar), '')"
    return f"nullif({column}::varchar, '')"


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _unreadable(path: Path, error: Exception) -> LakeError:
    return LakeError(
        f"{path} can't be read as Parquet ({text_of(error).splitlines()[0][:200]}). Look at the file; pull the "
        f"partition again with `journey-pipeline backfill {selection_at(path)} --again`."
    )
