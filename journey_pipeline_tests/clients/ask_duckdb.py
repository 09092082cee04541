"""What one version of DuckDB finds in a published file: a script, run with that version."""

from __future__ import annotations

import json
import sys

import duckdb

question = json.load(sys.stdin)
session = duckdb.connect(question["file"], read_only=True)


def rows(sql: str) -> list[list[str]]:
    """All rows, whatever their types, as text."""
    return sorted([str(value) for value in row] for row in session.execute(sql).fetchall())


tables = rows("select table_schema || '.' || table_name, table_type from information_schema.tables")
answer = {
    "version": duckdb.__version__,
    "tables": tables,
    "comments": rows(
        "select schema_name, table_name, comment from duckdb_tables() union all "
        "select schema_name, view_name, comment from duckdb_views() where not internal"
    ),
    "columns": {table: rows(f"describe {table}") for table, _ in tables},
    "column_comments": rows(
        "select schema_name, table_name, column_name, comment from duckdb_columns() where not internal"
    ),
    "macros": rows(
        "select schema_name, function_name, list_sort(parameters) from duckdb_functions() where not internal"
    ),
    "counts": {table: rows(f"select count(*) from {table}") for table, _ in tables},
    "rows": {table: rows(f"from {table}") for table, _ in tables},
    "answers": {sql: rows(sql) for sql in question["questions"]},
}
json.dump(answer, sys.stdout)
