"""Loads the dimension files: what the vendors list, beside what events name.

A file that can't be read leaves what was loaded of it. Not here: how listed and named ones become one table
(`sql/core/`), how the files are made (`lake/dimensions.py`).
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import duckdb

from journey_pipeline.lake.layout import Lake
from journey_pipeline.warehouse.connection import WarehouseSettings, describe, literal
from journey_pipeline.warehouse.intake import parquet
from journey_pipeline.warehouse.inventory import BrokenFile
from journey_pipeline.warehouse.listed_tables import KEYS, LISTED
from journey_pipeline.warehouse.removal import withhold
from journey_pipeline.warehouse.table import Table

log = logging.getLogger(__name__)

_HEAL = "list it again with `journey-pipeline backfill {connection}`"


@dataclass(frozen=True, slots=True)
class ListedChange:
    """A dimension file that is new, changed or gone; `staged` names its rows, or is None if it is gone."""

    connection: str
    dimension: str
    sha256: str
    staged: str | None


def stage_dimensions(
    session: duckdb.DuckDBPyConnection, lake: Lake, settings: WarehouseSettings, broken: list[BrokenFile]
) -> list[ListedChange]:
    """Reads the dimension files that changed into temporary tables, so that a bad one fails before anything changes.

    Args:
        session: Without a transaction open.
        lake: Where the files lie.
        settings: How much may go because it is not in the lake any more.
        broken: Takes the files that can't be used, and what stays though it is gone.
    """
    loaded = {
        (connection, dimension): sha256
        for connection, dimension, sha256 in session.execute(
            "select connection, dimension, sha256 from internal.dimension_files"
        ).fetchall()
    }
    changes: list[ListedChange] = []
    found = set()
    for path in sorted(lake.dimensions_root.glob("*/*.parquet")):
        connection, dimension = path.parent.name, path.stem
        if dimension not in LISTED or not path.is_file():  # what else lies there is not ours
            continue
        found.add((connection, dimension))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if loaded.get((connection, dimension)) == digest:
            continue
        staged = f"listed_{len(changes)}"
        problem = _stage(session, lake, connection, dimension, staged)
        if not problem and _is_copy(session, path):
            problem = "it lists what another connection has"
            if (connection, dimension) not in loaded:
                log.warning("%s is a copy of another connection's file: nothing of it counts", lake.relative(path))
                continue
        if problem:
            broken.append(BrokenFile(lake.relative(path), problem, _HEAL.format(connection=connection)))
        else:
            changes.append(ListedChange(connection, dimension, digest, staged))
    for connection, names in groupby(sorted(loaded.keys() - found), lambda gone: gone[0]):
        gone = list(names)
        of = sum(1 for other, _ in loaded if other == connection)
        if not withhold(lake.relative(lake.dimensions_root / connection), gone, of, settings, broken):
            changes += [ListedChange(*names, "", None) for names in gone]
    return changes


def load_dimensions(session: duckdb.DuckDBPyConnection, changes: list[ListedChange]) -> None:
    """Puts the staged rows in the place of what was loaded; inside the caller's transaction."""
    for change in changes:
        table = LISTED[change.dimension].name
        which = [change.connection, change.dimension]
        session.execute(f"delete from {table} where connection = ?", which[:1])
        session.execute("delete from internal.dimension_files where connection = ? and dimension = ?", which)
        if change.staged:
            session.execute(f"insert into {table} by name from {change.staged}")
            session.execute("insert into internal.dimension_files values (?, ?, ?)", [*which, change.sha256])


def _stage(session: duckdb.DuckDBPyConnection, lake: Lake, connection: str, dimension: str, staged: str) -> str:
    """Reads one file; gives what is wrong with it, or nothing."""
    table = LISTED[dimension]
    source = parquet([lake.dimension_file(connection, dimension)])
    try:
        session.execute(f"create or replace temp table {staged} as select {_typed(table, connection)} from {source}")
    except duckdb.Error as error:
        return f"it can't be read as {dimension} ({describe(error)})"
    names = KEYS[dimension]
    key, is_whole = ", ".join(names), " and ".join(f"{name} is not null" for name in names)
    ((repeated,),) = session.execute(
        f"select count(*) - count(distinct ({key})) filter ({is_whole}) from {staged}"
    ).fetchall()
    return f"{repeated} of its rows have no {key} or repeat one" if repeated else ""


def _is_copy(session: duckdb.DuckDBPyConnection, path: Path) -> bool:
    others = f"select count(*) filter (connection <> {literal(path.parent.name)}) from {parquet([path])}"
    return bool(session.execute(others).fetchall()[0][0])


def _typed(table: Table, connection: str) -> str:
    # The folder says which connection it is, so that one connection's file never touches another's rows.
    return ", ".join(
        f"{literal(connection)} as connection"
        if column.name == "connection"
        else f"{column.name}::{column.type} as {column.name}"
        for column in table.columns
    )
