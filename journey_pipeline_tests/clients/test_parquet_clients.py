"""Other programs read the Parquet files of the lake as they are, without settings of their own."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest

from journey_pipeline.vendors.sfmc.recipe import JOURNEY_HISTORY
from journey_pipeline_tests.lake.made_landing import KEY, PARTITION, MadeLanding

GOLDEN = Path(__file__).parents[1] / "golden" / "sfmc_journey_history.csv"
KEY_TEXT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    made = MadeLanding(tmp_path_factory.mktemp("clients"), recipe=JOURNEY_HISTORY)
    made.land(GOLDEN.read_bytes())
    made.normalize()
    return [made.lake.events_file(KEY, PARTITION), made.lake.rejects_file(KEY, PARTITION)]


def test_no_column_has_an_annotation_that_spark_and_trino_refuse(files: list[Path]) -> None:
    for file in files:
        schema = pq.ParquetFile(file).schema
        columns = [schema.column(number) for number in range(len(schema))]
        assert {column.logical_type.type for column in columns} <= {"STRING", "DATE", "TIMESTAMP", "NONE", "INT"}
        times = [str(column.logical_type) for column in columns if column.logical_type.type == "TIMESTAMP"]
        assert times
        assert all("isAdjustedToUTC=true, timeUnit=microseconds" in time for time in times)


def test_polars_reads_keys_and_properties_as_text(files: list[Path]) -> None:
    events = pl.read_parquet(files[0])
    assert events.schema["event_key"] == events.schema["properties"] == pl.String
    assert all(KEY_TEXT.fullmatch(key) for key in events["event_key"])
    assert len(pl.read_parquet(files[1]))


def test_pandas_reads_keys_and_properties_as_text(files: list[Path]) -> None:
    events = pd.read_parquet(files[0])
    assert len(events)
    assert all(KEY_TEXT.fullmatch(key) for key in events["event_key"])
    assert all(text.startswith("{") for text in events["properties"])
    assert len(pd.read_parquet(files[1]))
