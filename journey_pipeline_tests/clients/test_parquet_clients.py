"""Other programs read the Parquet files of the lake as they are, without settings of their own."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import duckdb
import polars as pl
import pyarrow.parquet as pq
import pytest

pytestmark = [pytest.mark.xdist_group("clients"), pytest.mark.slow(reason="a home of all vendors is loaded")]

KEY_TEXT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# What Trino's rules for Hive tables know, and Spark 4, polars and pandas read without settings. The logical type of a
# number tells its width, of a text that it is UTF-8; a boolean has none.
PLAIN = {"STRING": "BYTE_ARRAY", "DATE": "INT32", "TIMESTAMP": "INT64", "INT": "INT64", "NONE": "BOOLEAN"}
JSON_COLUMNS = ("properties", "outcomes", "data_schema")

Reader = Callable[[Path], list[dict[str, object]]]


def polars_rows(file: Path) -> list[dict[str, object]]:
    return pl.read_parquet(file).to_dicts()


def pandas_rows(file: Path) -> list[dict[str, object]]:
    import pandas as pd  # noqa: PLC0415 - takes long, and every worker imports this module

    frame = pd.read_parquet(file)
    return [
        {str(name): None if pd.isna(value) else value for name, value in row.items()}
        for row in frame.to_dict(orient="records")
    ]


def test_no_column_has_a_type_that_spark_polars_pandas_and_trino_can_not_read(parquet_files: list[Path]) -> None:
    for file in parquet_files:
        schema = pq.ParquetFile(file).schema
        columns = [schema.column(number) for number in range(len(schema))]
        for column in columns:
            assert PLAIN.get(column.logical_type.type) == column.physical_type, f"{file}: {column}"
            assert column.max_repetition_level == 0, f"{file}: {column} is nested"
        times = {str(column.logical_type) for column in columns if column.logical_type.type == "TIMESTAMP"}
        assert all("timeUnit=microseconds" in time for time in times)


@pytest.mark.parametrize("rows_of", [polars_rows, pandas_rows])
def test_each_file_has_the_same_rows_in_polars_and_pandas_as_in_duckdb(
    parquet_files: list[Path], rows_of: Reader
) -> None:
    for file in parquet_files:
        with duckdb.connect() as session:
            session.execute("set timezone = 'UTC'")
            told = session.execute("from read_parquet(?)", [str(file)])
            names = [column[0] for column in told.description]
            expected = [dict(zip(names, row, strict=True)) for row in told.fetchall()]
        assert rows_of(file) == expected, file


@pytest.mark.parametrize("rows_of", [polars_rows, pandas_rows])
def test_keys_and_json_are_text(parquet_files: list[Path], rows_of: Reader) -> None:
    seen = set()
    for file in parquet_files:
        for row in rows_of(file):
            for name in {"event_key", *JSON_COLUMNS} & row.keys():
                value = row[name]
                if value is None:
                    continue
                assert isinstance(value, str), (file, name)
                assert KEY_TEXT.fullmatch(value) if name == "event_key" else json.loads(value) is not None
                seen.add(name)
    assert seen == {"event_key", *JSON_COLUMNS}
