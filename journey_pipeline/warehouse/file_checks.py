"""Events files as the warehouse reads them: how they are named in SQL, and whether their rows are what they should be.

A file that fails here is reported as broken and never half loaded. Not here: whether a file is the one its manifest
vouches for (`inventory.py`), which of its rows win (`merge.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from journey_pipeline.model import ATTRIBUTE_COLUMNS, EVENT_COLUMNS, POPULATION_COLUMNS
from journey_pipeline.sql import literal
from journey_pipeline.warehouse.connection import describe
from journey_pipeline.warehouse.inventory import FoundFile
from journey_pipeline.warehouse.schema import REJECTS

_TYPE_NAMES = {"TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE"}
_FILE_TYPES = {column.type: column.file_type for column in EVENT_COLUMNS}
_EXPECTED = [(column.name, _TYPE_NAMES.get(column.file_type, column.file_type)) for column in EVENT_COLUMNS]
_REJECT_EXPECTED = {(column.name, _TYPE_NAMES.get(column.file_type, column.file_type)) for column in REJECTS.columns}
_ATTRIBUTE_EXPECTED = {(column.name, column.type) for column in ATTRIBUTE_COLUMNS}
_POPULATION_EXPECTED = {(column.name, _TYPE_NAMES.get(column.type, column.type)) for column in POPULATION_COLUMNS}
_REQUIRED = (
    "event_key",
    "occurred_at",
    "occurred_on",
    "connection",
    "stream",
    "partition_key",
    "landing_file",
    "landing_row",
)


@dataclass(frozen=True, slots=True)
class Extent:
    """The times of a file's events; None for a file without any."""

    first_at: datetime | None
    last_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of one file, as its footer has them.

    Attributes:
        incomplete: How many values are missing that each event has.
        edges: Least and greatest connection, stream and partition.
        extent: Least and greatest time.
    """

    events: int
    incomplete: int
    edges: Sequence[list[str]]
    extent: Extent


def parquet(files: Iterable[Path], options: str = "") -> str:
    """The SQL that reads some Parquet files as one relation."""
    return f"read_parquet([{_paths(files)}], hive_partitioning = false{options})"


def _paths(files: Iterable[Path]) -> str:
    return ", ".join(literal(re.sub(r"([*?\[])", r"[\1]", str(file))) for file in files)


def events(files: Iterable[Path], options: str = "") -> str:
    """The SQL that reads some events files as one relation, in the types of the warehouse.

    Files have keys and properties as text, those of an earlier version as UUID and JSON.
    """
    typed = ", ".join(f"{c.name}::{c.type} as {c.name}" for c in EVENT_COLUMNS if c.type != c.file_type)
    return f"(select * replace ({typed}) from {parquet(files, options)})"


def measure(session: duckdb.DuckDBPyConnection, files: Sequence[FoundFile]) -> dict[FoundFile, Extent | str]:
    """The extent of each file, or what is wrong with its rows.

    All files are read in two statements; only if DuckDB refuses one of them, they are halved until it is found.
    """
    if not files:
        return {}
    try:
        return _measure(session, files)
    except duckdb.Error as error:
        if len(files) == 1:
            return {files[0]: f"DuckDB can't read it ({describe(error)})"}
        middle = len(files) // 2
        return measure(session, files[:middle]) | measure(session, files[middle:])


def _measure(session: duckdb.DuckDBPyConnection, files: Sequence[FoundFile]) -> dict[FoundFile, Extent | str]:
    columns = _columns(session, [path for found in files for path in found.files])
    fit = [found for found in files if _has_its_columns(found, columns)]
    rows = _rows(session, fit) if fit else {}
    wrong = "its columns, or those of the file beside it, belong to another version of journey_pipeline"
    nothing = _Rows(0, 0, (), Extent(None, None))
    return {found: _judge(found, rows.get(found.path, nothing)) if found in fit else wrong for found in files}


def _has_its_columns(found: FoundFile, columns: dict[Path, list[tuple[str, str]]]) -> bool:
    beside = {
        found.rejects_path: _REJECT_EXPECTED,
        found.attributes_path: _ATTRIBUTE_EXPECTED,
        found.populations_path: _POPULATION_EXPECTED,
    }
    return columns.get(found.path) == _EXPECTED and all(
        expected.issubset(columns.get(path, [])) for path, expected in beside.items() if path in found.files
    )


def _columns(session: duckdb.DuckDBPyConnection, files: Sequence[Path]) -> dict[Path, list[tuple[str, str]]]:
    columns: dict[Path, list[tuple[str, str]]] = {}
    for path, name, kind in session.execute(
        f"select file_name, name, duckdb_type from parquet_schema([{_paths(files)}]) where duckdb_type is not null"
    ).fetchall():
        columns.setdefault(Path(path), []).append((name, _FILE_TYPES.get(kind, kind)))
    return columns


def _rows(session: duckdb.DuckDBPyConnection, files: Sequence[FoundFile]) -> dict[Path, _Rows]:
    """What the files' footers say: their bytes are those that the normalizer wrote, as the manifest's sha256 shows."""
    edges = ", ".join(f"[{_least(name)}, {_most(name)}]" for name in ("connection", "stream", "partition_key"))
    rows = session.execute(f"""
        select
            file_name,
            sum(row_group_num_rows) filter (path_in_schema = 'event_key'),
            sum(stats_null_count),
            {edges},
            {_least("occurred_at")}::timestamptz,
            {_most("occurred_at")}::timestamptz
        from parquet_metadata([{_paths(found.path for found in files)}])
        where path_in_schema in ({", ".join(map(literal, _REQUIRED))})
        group by file_name
    """).fetchall()
    return {Path(row[0]): _Rows(row[1], row[2], row[3:6], Extent(*row[6:])) for row in rows}


def _least(column: str) -> str:
    return f"min(stats_min_value) filter (path_in_schema = {literal(column)})"


def _most(column: str) -> str:
    return f"max(stats_max_value) filter (path_in_schema = {literal(column)})"


def _judge(found: FoundFile, rows: _Rows) -> Extent | str:
    if rows.events != found.manifest.events.rows:
        return f"it has {rows.events} events, its manifest says {found.manifest.events.rows}"
    if rows.incomplete:
        return f"its events lack {rows.incomplete} values of {', '.join(_REQUIRED)}"
    key = found.key
    if rows.events and [set(edge) for edge in rows.edges] != [{key.connection}, {key.stream}, {key.partition}]:
        return "some of its events belong to another partition"
    return rows.extent
