"""What analysts read, described: tables, views and macros with keys, columns with types and comments, a few rows.

Made of an empty warehouse in memory, so that it needs no home. That takes a second: Dagster, which describes the tables
whenever it starts, reads their types from `types.json`. Not here: how it is written down (`cli/docs.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from journey_pipeline.model import Column
from journey_pipeline.warehouse.configured import configured_tables
from journey_pipeline.warehouse.questions import Published
from journey_pipeline.warehouse.refresh import Changes
from journey_pipeline.warehouse.schema import LOADED_TABLES, made_tables, prepare
from journey_pipeline.warehouse.table import Table

SHOWN = ("core", "marts", "ops")
TYPES = Path(__file__).parent / "types.json"


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


def types_of(tables: Mapping[str, list[Table]]) -> str:
    """The content of `types.json`: the types of the columns of each table that is not a macro."""
    found = {
        table.name: {column.name: column.type for column in table.columns}
        for schema in tables.values()
        for table in schema
        if not table.arguments
    }
    return json.dumps(found, indent=1) + "\n"


@cache
def written_types() -> Mapping[str, Mapping[str, str]]:
    """What `types.json` says: the type of each column, by table and name."""
    return json.loads(TYPES.read_bytes())  # type: ignore[no-any-return]  # a test holds it against `types_of`


def _typed(session: duckdb.DuckDBPyConnection, table: Table) -> Table:
    # A macro wants a value for each argument that has none by default.
    needed = (name for name in table.arguments.split(", ") if name and ":=" not in name)
    asked = f"{table.name}({', '.join('null' for _ in needed)})" if table.arguments else table.name
    types = {name: kind for name, kind, *_ in session.execute(f"describe from {asked}").fetchall()}
    columns = tuple(Column(column.name, types[column.name], column.comment) for column in table.columns)
    return replace(table, columns=columns)


PERSONAL = frozenset(
    {"contact_id", "person_id", "email", "domain", "properties", "event_key", "enrolment_id", "case_id", "order_id"}
)
"""Columns that tell of one person, or of one passage or event of a person."""
_PREVIEWED = 10


def previews(warehouse: Published, tables: Iterable[Table]) -> dict[str, list[dict[str, Any]]]:
    """Ten rows of each mart that no column of which tells of a person, by the mart's name."""
    found = {}
    for table in tables:
        if table.name.startswith("marts.") and not PERSONAL & {column.name for column in table.columns}:
            columns, rows = warehouse.ask(f"from {table.name} limit {_PREVIEWED}")
            found[table.name] = [dict(zip(columns, map(_plain, row), strict=True)) for row in rows]
    return found


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, int | float) else str(value)
