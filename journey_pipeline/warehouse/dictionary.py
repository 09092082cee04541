"""What analysts read, described: tables, views and macros with their keys, and columns with types and comments.

Made of an empty warehouse in memory, so that it needs no home. Not here: how it is written down (`cli/docs.py`).
"""

from __future__ import annotations

from dataclasses import replace

import duckdb

from journey_pipeline.model import Column
from journey_pipeline.warehouse.configured import configured_tables
from journey_pipeline.warehouse.refresh import Changes
from journey_pipeline.warehouse.schema import LOADED_TABLES, made_tables, prepare
from journey_pipeline.warehouse.table import Table

SHOWN = ("core", "marts", "ops")


def dictionary() -> dict[str, list[Table]]:
    """The tables of each schema by name, with their keys and with the types of all columns."""
    made = (*configured_tables(), *made_tables())
    with duckdb.connect(":memory:", config={"threads": 1}) as session:
        prepare(session)
        Changes(session, made, set(made)).refresh()
        tables = sorted((*LOADED_TABLES, *made), key=lambda table: table.name)
        return {
            schema: [_typed(session, table) for table in tables if table.name.startswith(f"{schema}.")]
            for schema in SHOWN
        }


def _typed(session: duckdb.DuckDBPyConnection, table: Table) -> Table:
    # A macro wants a value for each argument that has none by default.
    needed = (name for name in table.arguments.split(", ") if name and ":=" not in name)
    asked = f"{table.name}({', '.join('null' for _ in needed)})" if table.arguments else table.name
    types = {name: kind for name, kind, *_ in session.execute(f"describe from {asked}").fetchall()}
    columns = tuple(Column(column.name, types[column.name], column.comment) for column in table.columns)
    return replace(table, columns=columns)
