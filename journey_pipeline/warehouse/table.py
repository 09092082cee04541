"""A table of the warehouse: what documents it, and the SELECT that makes it, read from one SQL file.

Not here: the tables that there are (`schema.py`), when a SELECT runs again (`refresh.py`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import duckdb

from journey_pipeline.errors import WarehouseError
from journey_pipeline.model import Column
from journey_pipeline.settings import storage_version
from journey_pipeline.sql import identifier, literal

SCHEMAS = ("internal", "core", "marts", "ops")

# Columns of text of which many rows have the same value.
_SHARED = frozenset(
    {
        "vendor",
        "connection",
        "stream",
        "occurred_at_source",
        "journey_id",
        "journey_name",
        "activity_id",
        "activity_name",
        "activity_type",
        "next_activity_id",
        "message_id",
        "channel",
        "action",
        "vendor_action",
        "outcome",
        "reason_code",
        "partition_key",
        "landing_file",
    }
)

_COLUMN = re.compile(r"([a-z_0-9]+): (.+)")
_COLUMNS = r"[a-z_0-9]+(?:, [a-z_0-9]+)*"
_MADE = re.compile(
    rf"Made: (?P<how>a view|as a whole|by adding up|a macro of (?P<arguments>.+)|by (?P<unit>{_COLUMNS}))\."
)
_KEY = re.compile(rf"\b[Kk]ey: ({_COLUMNS})\.")
_BESIDE = re.compile(rf"Beside: ([a-z_0-9.]+) by ({_COLUMNS})\.")
_REPEATS = re.compile(r"Repeats: ([a-z_0-9.]+) where (.+)\.")
_LIVES = re.compile(r"Lives: ([a-z_0-9.]+)\.")
_NUMBER = re.compile(rf"Number: ([a-z_0-9]+) of ({_COLUMNS})\.")
_COMMENT = re.compile(r"--.*")
_READS = re.compile(rf"\b(?:{'|'.join(SCHEMAS)})\.[a-z_0-9]+\b")
_NOT_TOLD = ("Made: ", "Beside: ", "Repeats: ", "Lives: ", "Number: ")
_HEADER = "a line for the table, `Key: <columns>.`, `Made: a view.`, `Made: as a whole.`, `Made: by <columns>.` or "
_HEADER += "`Made: by adding up.` or `Made: a macro of <arguments>.`, an empty comment line, and a line "
_HEADER += "`<column>: <what it is>` for each column"


@dataclass(frozen=True)
class Table:
    """A table, or a view, and what documents it.

    Attributes:
        name: With its schema, such as `core.journeys`.
        comment: What it holds, its grain and key.
        columns: In order. Types are empty where the SELECT gives them.
        sql: The SELECT that makes it; empty for a table that is loaded from files.
        is_view: Whether the SELECT runs when the table is read, as a macro's does too: there is nothing to make again.
        unit: The columns whose values tell which rows to make again; without any, all rows are made again.
        is_sum: Whether all other columns are sums over the rows that the SELECT reads, so that a changed row is added
            or taken off.
        beside: Tables without the unit's columns, by name: a change of their rows counts for the units of these values.
        repeats: Tables by name, and when a row that comes to one makes no unit again: a condition on that row, `came`,
            and on its unit's row here, `own`.
        arguments: Those of a table macro, with the values that they have by default; empty for a table or a view.
        lives: The table whose rows say from when to when each unit has events; empty if none does.
        numbers: Columns that hold DuckDB's hash of some columns, by the names of these. So the rows of a few units are
            found by 8 bytes of each row, where an id is a text of 36.
    """

    name: str
    comment: str
    columns: tuple[Column, ...]
    sql: str = ""
    is_view: bool = False
    unit: tuple[str, ...] = ()
    is_sum: bool = False
    beside: tuple[tuple[str, tuple[str, ...]], ...] = ()
    repeats: tuple[tuple[str, str], ...] = ()
    lives: str = ""
    numbers: tuple[tuple[tuple[str, ...], str], ...] = ()
    arguments: str = ""

    def __hash__(self) -> int:
        """By its name: a sync looks tables up by the thousand."""
        return hash(self.name)

    @cached_property
    def key(self) -> tuple[str, ...]:
        """The columns that tell its rows apart, as its comment names them; none if it has one row."""
        found = _KEY.search(self.comment)
        return _split(found[1]) if found else ()

    @cached_property
    def reads(self) -> frozenset[str]:
        """The tables that the SELECT names."""
        return frozenset(_READS.findall(_COMMENT.sub("", self.sql)))

    @cached_property
    def column_names(self) -> frozenset[str]:
        """The names of its columns."""
        return frozenset(column.name for column in self.columns)

    def has(self, unit: Iterable[str]) -> bool:
        """Whether all columns of a unit are among its own."""
        return self.column_names.issuperset(unit)

    @cached_property
    def digest(self) -> str:
        """Changes with anything about it, and for a table with numbers with DuckDB, whose hashes are its own."""
        hashed_by = (duckdb.__version__,) if self.numbers else ()
        return hashlib.sha256(repr((self.name, self.comment, self.columns, self.sql, *hashed_by)).encode()).hexdigest()


def read_tables(folder: Path) -> tuple[Table, ...]:
    """The tables of a folder's SQL files, each after those that it reads.

    Raises:
        WarehouseError: If a header is not complete, or tables read each other in a circle.
    """
    files = sorted(folder.glob("*/*.sql"))
    return _ordered(tuple((f"{file.parent.name}.{file.stem}", file.read_text(encoding="utf-8")) for file in files))


@lru_cache(maxsize=1)  # a process asks for the same ones again and again, and to take them apart takes a while
def _ordered(texts: tuple[tuple[str, str], ...]) -> tuple[Table, ...]:
    tables = {name: read_table(name, text) for name, text in texts}
    order = TopologicalSorter({name: sorted(table.reads & tables.keys()) for name, table in tables.items()})
    try:
        ordered = [tables[name] for name in order.static_order()]
    except CycleError as error:
        raise WarehouseError(
            f"{' is read by '.join(error.args[1])}: tables can't read each other in a circle."
        ) from None
    views = {table.name: table for table in ordered if table.is_view}
    return tuple(_without_views(table, views) if table.unit or table.is_sum else table for table in ordered)


def _without_views(table: Table, views: Mapping[str, Table]) -> Table:
    """A table whose SELECT has views written out: only changes of what these read tell which rows to make again."""
    while named := table.reads & views.keys():
        select = _COMMENT.sub("", table.sql)
        for name in named:
            view = f"({_COMMENT.sub('', views[name].sql)})".replace("\\", r"\\")
            select = re.sub(rf"\b{re.escape(name)}\b", view, select)
        table = replace(table, sql=select)
    return table


def read_table(name: str, text: str) -> Table:
    """A table from the text of its SQL file: a header of `--` lines, which is its documentation, and a SELECT.

    Raises:
        WarehouseError: If the header is not complete.
    """
    header = [line.removeprefix("--").strip() for line in text.splitlines() if line.startswith("--")]
    split = header.index("") if "" in header else len(header)
    columns = [Column(found[1], "", found[2]) for line in header[split + 1 :] if (found := _COLUMN.fullmatch(line))]
    made = _matches(_MADE, header[:split])
    keys = [line for line in header[:split] if line.startswith("Key: ") and _KEY.fullmatch(line)]
    if not (columns and len(made) == 1 and len(keys) == 1):
        raise WarehouseError(f"{name}: its SQL file needs a header: {_HEADER}.")
    lives = _matches(_LIVES, header[:split])
    table = Table(
        name,
        " ".join(line for line in header[:split] if not line.startswith(_NOT_TOLD)),
        tuple(columns),
        re.sub(r";\s*\Z", "", text),
        made[0]["how"].startswith(("a view", "a macro")),
        unit=_split(made[0]["unit"]),
        is_sum=made[0]["how"] == "by adding up",
        beside=tuple((found[1], _split(found[2])) for found in _matches(_BESIDE, header[:split])),
        repeats=tuple((found[1], found[2]) for found in _matches(_REPEATS, header[:split])),
        lives=lives[0][1] if lives else "",
        numbers=tuple((_split(found[2]), found[1]) for found in _matches(_NUMBER, header[:split])),
        arguments=made[0]["arguments"] or "",
    )
    if not table.has(table.unit):
        raise WarehouseError(f"{name}: it is made by {', '.join(table.unit)}, so these must be among its columns.")
    return table


def _matches(pattern: re.Pattern[str], lines: Iterable[str]) -> list[re.Match[str]]:
    return [found for line in lines if (found := pattern.fullmatch(line))]


def _split(columns: str | None) -> tuple[str, ...]:
    return tuple(columns.split(", ")) if columns else ()


def create_empty(session: duckdb.DuckDBPyConnection, name: str, select: str) -> list[str]:
    """Makes an empty table of a SELECT's columns, and names them.

    Not by `create table ... as ... limit 0`: if more than a row group of such a table is then inserted at once, DuckDB
    2.0.0 aggregates nothing of it until the file is opened again.
    """
    described = session.execute(f"describe from ({select})").fetchall()
    columns = ", ".join(f"{identifier(column)} {kind}" for column, kind, *_ in described)
    session.execute(f"create table {name} ({columns})")
    return [column for column, *_ in described]


def create_table(session: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Makes a view, a table macro, or a table without rows.

    Raises:
        WarehouseError: If the table's SELECT has a column that its header does not describe.
    """
    if table.arguments:
        session.execute(f"create macro {table.name}({table.arguments}) as table {table.sql}")
    elif table.is_view:
        session.execute(f"create view {table.name} as {table.sql}")
    elif table.sql:
        made = create_empty(session, table.name, table.sql)
        if lacking := ", ".join(column for column in made if column not in table.column_names):
            raise WarehouseError(f"{table.name}: its header lacks a line for {lacking}. Nothing has changed.")
    else:
        columns = ", ".join(
            f"{identifier(column.name)} {column.type}{_compression(column)}" for column in table.columns
        )
        session.execute(f"create table {table.name} ({columns})")


def _compression(column: Column) -> str:
    """How a column lies in the file, where DuckDB would spend much of an insert on finding it out."""
    if column.type == "JSON":
        return " using compression zstd"  # left to choose, it chooses worse
    if column.name in _SHARED and storage_version().startswith("v1.2."):
        return " using compression dictionary"  # later versions have one way for all text, and refuse this one
    return ""


def comment_on(session: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Puts a table's comments on it and its columns."""
    kind = "macro table" if table.arguments else "view" if table.is_view else "table"
    columns = () if table.arguments else table.columns
    statements = [
        f"comment on {kind} {table.name} is {literal(table.comment)}",
        *(f"comment on column {table.name}.{identifier(each.name)} is {literal(each.comment)}" for each in columns),
    ]
    session.execute(";".join(statements))


def note_tables(session: duckdb.DuckDBPyConnection, tables: Sequence[Table]) -> None:
    """Notes from which text each table was made."""
    if tables:
        names = [table.name for table in tables]
        session.execute("delete from internal.tables where table_name in (select unnest(?))", [names])
        digests = [table.digest for table in tables]
        session.execute("insert into internal.tables select unnest(?), unnest(?)", [names, digests])


def forget_tables(session: duckdb.DuckDBPyConnection, names: Iterable[str]) -> None:
    """Drops those tables, views and macros that have been made."""
    kinds = session.execute(
        """
        select table_name, coalesce(kind, 'table')
        from internal.tables
        left join (
            select schema_name || '.' || view_name as table_name, 'view' as kind
            from duckdb_views()
            union all
            select schema_name || '.' || function_name, 'macro table'
            from duckdb_functions()
            where function_type = 'table_macro'
        ) using (table_name)
        where table_name in (select unnest(?))
        """,
        [[*names]],
    ).fetchall()
    if kinds:
        session.execute(";".join(f"drop {kind} if exists {name}" for name, kind in kinds))
        session.execute("delete from internal.tables where table_name in (select unnest(?))", [[*dict(kinds)]])
