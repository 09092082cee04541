from __future__ import annotations

import duckdb

from journey_pipeline.warehouse.table import create_empty


def test_a_table_that_is_filled_at_once_can_be_added_up_at_once() -> None:
    with duckdb.connect(config={"threads": 2}) as session:
        session.execute(
            "create table source as select number, md5(number::varchar) as name from range(300_000) t(number)"
        )
        session.execute("begin")
        create_empty(session, "filled", "select name, 0 as change from source")
        session.execute("insert into filled select name, 1 from source")
        assert session.execute("select min(change), sum(change) from filled").fetchall() == [(1, 300_000)]


def test_an_empty_table_has_the_columns_and_types_of_its_select() -> None:
    with duckdb.connect() as session:
        select = "-- a comment\nselect date '2026-11-01' as \"the day\", {'a': 1} as pair, 1::hugeint as large"
        create_empty(session, "made", select)
        described = session.execute("select column_name, column_type from (describe made)").fetchall()
        assert described == [("the day", "DATE"), ("pair", "STRUCT(a INTEGER)"), ("large", "HUGEINT")]
        assert session.execute("select count(*) from made").fetchall() == [(0,)]
