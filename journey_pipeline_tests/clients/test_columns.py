"""What tables claim of their keys and columns, held against a home of the simulated vendors."""

from __future__ import annotations

from pathlib import Path

import pytest

from journey_pipeline.warehouse.dictionary import dictionary
from journey_pipeline_tests.warehouse.made_lake import rows_of

pytestmark = [
    pytest.mark.xdist_group("clients"),
    pytest.mark.slow(reason="a home of all vendors is loaded"),
]


def test_a_column_that_is_null_in_all_rows_says_for_whom(home: Path) -> None:
    silent = []
    for table in (table for tables in dictionary().values() for table in tables if not table.arguments):
        counts = ", ".join(f'count("{column.name}")' for column in table.columns)
        ((rows, *filled),) = rows_of(home / "journeys.duckdb", f"select count(*), {counts} from {table.name}")
        silent += [
            f"{table.name}.{column.name}: {column.comment}"
            for column, values in zip(table.columns, filled, strict=True)
            if rows and not values and "NULL" not in column.comment
        ]
    assert silent == []


def test_the_key_of_each_table_tells_its_rows_apart(home: Path) -> None:
    twice = []
    for table in (table for tables in dictionary().values() for table in tables if not table.arguments):
        key = ", ".join(f'"{column}"' for column in table.key)
        sql = f"select count(*) from (select 1 from {table.name} group by {key} having count(*) > 1)"
        if rows_of(home / "journeys.duckdb", sql) != [(0,)]:
            twice.append(table.name)
    assert twice == []
