"""Spark reads the Parquet files of every kind and stream as they are, and finds in them what DuckDB finds."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from journey_pipeline_tests.clients.installed import ask, installed, need, versions_of

pytestmark = [pytest.mark.xdist_group("clients"), pytest.mark.slow(reason="starts Java")]

SPARK_TYPES = {
    "VARCHAR": "string",
    "BIGINT": "bigint",
    "BOOLEAN": "boolean",
    "DATE": "date",
    "TIMESTAMP": "timestamp_ntz",
    "TIMESTAMP WITH TIME ZONE": "timestamp",
}


def naive(value: object) -> object:
    """A value as Spark gives it to Python: times in its zone, which is UTC here, without saying so."""
    return value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) and value.tzinfo else value


def found_by_duckdb(pattern: str) -> dict[str, Any]:
    with duckdb.connect() as session:
        session.execute("set timezone = 'UTC'")
        columns = session.execute("describe from read_parquet(?)", [pattern]).fetchall()
        rows = session.execute("from read_parquet(?)", [pattern]).fetchall()
    return {
        "columns": {name: SPARK_TYPES[kind] for name, kind, *_ in columns},
        "rows": sorted([str(naive(value)) for value in row] for row in rows),
    }


@pytest.mark.parametrize("version", versions_of("pyspark"))
def test_spark_finds_the_rows_and_types_of_all_files(home: Path, parquet_files: list[Path], version: str) -> None:
    need(shutil.which("java"), "Spark needs Java, such as Debian's default-jre-headless")
    patterns = {f"{home}/{kind}/*/*/*.parquet" for kind in ("events", "rejects", "attributes")}
    patterns |= {f"{home}/dimensions/*/{file.name}" for file in parquet_files if "dimensions" in file.parts}
    told = ask("ask_spark.py", {"patterns": sorted(patterns)}, installed("pyspark", version))
    assert len(told) == len(patterns) == 10
    for pattern, found in told.items():
        assert found == found_by_duckdb(pattern), pattern
        assert found["rows"]
