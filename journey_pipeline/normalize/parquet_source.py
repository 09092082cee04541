"""A landed Parquet file as batches of `landing`: DuckDB reads it where it lies, its values as the text of a CSV.

A value that holds others is JSON. Not here: other formats (`csv_source.py`, `record_reader.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import duckdb
import pyarrow as pa

from journey_pipeline.errors import LakeError, text_of
from journey_pipeline.lake.layout import selection_at
from journey_pipeline.lake.manifest import LandedFile
from journey_pipeline.normalize.csv_source import CheckedRecord, CsvBatch, landing_batch
from journey_pipeline.normalize.landed_file import Source, check_landed
from journey_pipeline.normalize.relation import ColumnMap, landing_schema, map_columns
from journey_pipeline.normalize.session import NormalizeLimits, Session
from journey_pipeline.recipe import Recipe
from journey_pipeline.sql import identifier, literal

_ROWS_AT_ONCE = 20_480
_NO_MEMORY = "Out of Memory"
_NESTED = ("STRUCT", "MAP", "UNION")


@dataclass(slots=True, kw_only=True)
class ParquetSource(Source):
    """One landed Parquet file, and what DuckDB says of its columns. The form of a row can't be wrong."""

    header: tuple[str, ...]
    types: tuple[str, ...]
    columns: ColumnMap
    connection: duckdb.DuckDBPyConnection

    @classmethod
    def open(cls, path: Path, file: LandedFile, recipe: Recipe, constants: Mapping[str, str], session: Session) -> Self:
        """Checks a file against its manifest and reads which columns it has.

        Args:
            session: Whose DuckDB reads it, beside the statement that takes the batches.

        Raises:
            LakeError: If it is not what landed, can't be read, or lacks a column that must be there.
        """
        check_landed(path, file)
        connection = session.connection.cursor()
        connection.execute("set timezone = 'UTC'")
        try:
            found = connection.execute(f"describe from read_parquet({literal(str(path))})").fetchall()
        except duckdb.Error as error:
            raise _unreadable(path, error) from error
        header = tuple(column[0] for column in found)
        columns = map_columns(header, recipe, constants, path)
        return cls(
            path=path,
            recipe=recipe,
            constants=constants,
            rows=file.rows,
            unknown=columns.unknown,
            missing=columns.missing,
            respelled=columns.respelled,
            header=header,
            types=tuple(column[1] for column in found),
            columns=columns,
            connection=connection,
        )

    def good(self, limits: NormalizeLimits) -> Iterator[pa.RecordBatch]:
        """All records, counted."""
        del limits
        self.read = 0
        schema = landing_schema(self.recipe, with_raw=False)
        for columns in self._batches(""):
            *values, numbers = columns
            self.read += len(numbers)
            yield landing_batch(CsvBatch(values, numbers), self.name, self.columns, schema)

    def with_raw(self, limits: NormalizeLimits, *, faults_only: bool) -> Iterator[pa.RecordBatch]:
        """All records, each as a JSON object; of faults alone, none."""
        del limits
        if faults_only:
            return
        members = ", ".join(f"{identifier(name)} := {identifier(name)}" for name in self.header)
        schema = landing_schema(self.recipe, with_raw=True)
        for columns in self._batches(f"to_json(struct_pack({members}))::varchar, "):
            *values, raws, numbers = columns
            texts: list[Any] = raws.to_pylist()
            records = tuple(
                CheckedRecord(number, raw.encode(), None, b"")
                for number, raw in enumerate(texts, start=numbers[0].as_py())
            )
            yield landing_batch(CsvBatch(values, numbers, records), self.name, self.columns, schema)

    def _batches(self, more: str) -> Iterator[list[pa.Array[Any]]]:
        """The columns as text, what is asked for besides, and the records' numbers."""
        used = self.columns.used
        columns = enumerate(zip(self.header, self.types, strict=True))
        texts = "".join(f"{_text(*column) if place in used else 'null::varchar'}, " for place, column in columns)
        file = f"read_parquet({literal(str(self.path))}, file_row_number = true)"
        where = ""
        if (person := self.columns.known.get(self.recipe.last_of)) is not None:
            last = f"select max(file_row_number) from {file} group by {identifier(self.header[person])}"
            where = f" where file_row_number in ({last})"
        select = f"select {texts}{more}file_row_number + 1 from {file}{where}"
        try:
            reader: Any = self.connection.sql(select).to_arrow_reader(_ROWS_AT_ONCE)
            for batch in reader:
                yield batch.columns
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            raise _unreadable(self.path, error) from error


def _text(name: str, kind: str) -> str:
    """A column as text, NULL where it is empty."""
    column = identifier(name)
    if kind.startswith(_NESTED) or kind.endswith("]"):
        return f"to_json({column})::varchar"
    if kind == "BLOB":  # text without its mark, as files of version 1.0 have it
        return f"nullif(coalesce(try(decode({column})), {column}::varchar), '')"
    return f"nullif({column}::varchar, '')"


def _unreadable(path: Path, error: Exception) -> Exception:
    said = text_of(error).splitlines()[0]
    if _NO_MEMORY in said:  # that is no fault of the file, and the stream of batches passes on the text alone
        return duckdb.OutOfMemoryException(said)
    return LakeError(
        f"{path} can't be read as Parquet ({said[:200]}). Look at the file; pull the "
        f"partition again with `journey-pipeline backfill {selection_at(path)} --again`."
    )
