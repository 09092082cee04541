"""Makes the tables that are SELECTs over others again, as far as what they read has changed.

A table's SQL file (`sql/`) says how it is made. A view runs when it is read. The SELECT of a table made as a whole runs
at each sync. The SELECT of a table made by a unit (some columns) runs for the units whose rows changed in a table that
it reads, and sees the rows of those units alone, in each table that has these columns. So a row may depend only on rows
of its own unit. Either way only rows that differ are written. Not here: changing the events (`merge.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import duckdb

from journey_pipeline.errors import WarehouseError, text_of
from journey_pipeline.sql import identifier
from journey_pipeline.warehouse.schema import EVENTS, LOADED_TABLES
from journey_pipeline.warehouse.table import Table, create_table, forget_table, note_table

# Days are made again together up to this many rows, so that counting people stays inside memory.
_SPAN_ROWS = 2_000_000
_DAY = "occurred_on"
_WRONG_SQL = (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException)


def stale_tables(session: duckdb.DuckDBPyConnection, tables: tuple[Table, ...]) -> set[Table]:
    """The tables that are not there yet or were made from another text; those that no text makes any more go."""
    made = dict(session.execute("select table_name, digest from internal.tables").fetchall())
    known = {table.name for table in (*LOADED_TABLES, *tables)}
    for name in sorted(made.keys() - known):
        forget_table(session, name)
    return {table for table in tables if made.get(table.name) != table.digest}


@dataclass(slots=True)
class Changes:
    """The changes of the tables from which others are made.

    Attributes:
        tables: All that SELECTs make, in order.
        stale: Those of them to make from the ground up.
        changed: The names of the tables of which rows have changed.
        days: The days of the units that were made again.
    """

    session: duckdb.DuckDBPyConnection
    tables: tuple[Table, ...]
    stale: set[Table]
    changed: set[str] = field(default_factory=set)
    days: set[date] = field(default_factory=set)
    _known: Mapping[str, Table] = field(init=False)

    def __post_init__(self) -> None:
        self._known = {EVENTS.name: EVENTS} | {table.name: table for table in self.tables if not table.is_view}
        for table in (table for table in self.tables if table.unit):
            if unknown := sorted(table.reads - self._known.keys()):
                raise WarehouseError(
                    f"{table.name} is made by {', '.join(table.unit)} and reads {', '.join(unknown)}. It may read "
                    f"{EVENTS.name} and tables that SELECTs make, and no views: write `Made: as a whole.` or "
                    "`Made: a view.`"
                )
            if len({_own_name(name) for name in table.reads}) < len(table.reads):
                names = ", ".join(sorted(table.reads))
                raise WarehouseError(f"{table.name} reads tables of one name in two schemas: {names}. Rename one")

    def note(self, name: str, rows: str) -> None:
        """Takes note of rows of a table that come or go.

        Args:
            rows: An SQL relation with the rows. Rows that go must be there still.
        """
        readers = self._readers(name)
        units = sorted({column for table in readers for column in table.unit if self._known[name].has(table.unit)})
        noted = f"select distinct {_named(units) or 'true'} from {rows}"
        into = "insert into {}" if name in self.changed else "create or replace temp table {} as"
        if readers and self.session.execute(f"{into.format(_noted(name))} {noted}").fetchall()[0][0]:
            self.changed.add(name)

    def refresh(self) -> None:
        """Makes the tables again that read what has changed, and those that are stale."""
        for table in self.tables:
            try:
                self._make(table)
            except _WRONG_SQL as error:
                said = text_of(error).splitlines()[0]
                raise WarehouseError(
                    f"{table.name} can't be made: {said}. Nothing has changed. Correct its SQL file, and sync again."
                ) from error

    def _make(self, table: Table) -> None:
        if table in self.stale:
            forget_table(self.session, table.name)
            create_table(self.session, table)
            note_table(self.session, table)
        if table.unit:
            self._make_units(table)
        elif not table.is_view:
            self._replace(table, table.sql, "")

    def _readers(self, name: str) -> list[Table]:
        return [table for table in self.tables if table.unit and name in table.reads]

    def _make_units(self, table: Table) -> None:
        """Makes the changed units of a table, or all of them."""
        sources = [self._known[name] for name in sorted(table.reads)]
        shared = [source for source in sources if source.has(table.unit)]
        changed = [source for source in sources if source.name in self.changed]
        if any(source in self.stale or source not in shared for source in changed):
            self.session.execute(f"delete from {table.name}")
            self.stale.add(table)
        are_all = table in self.stale
        if not (are_all or changed):
            return
        if not are_all:
            units = " union ".join(f"select {_named(table.unit)} from {_noted(source.name)}" for source in changed)
            self.session.execute(f"create or replace temp table touched as {units}")
        for days in self._spans(table, shared) if _DAY in table.unit else [""]:
            chosen = days if are_all else f"{_of_touched(table)} {days}"
            select = table.sql
            for source in shared:
                name = _own_name(source.name)
                self.session.execute(f"create or replace temp view {name} as from {source.name} as own {chosen}")
                select = re.sub(rf"\b{re.escape(source.name)}\b", f"temp.{name}", select)
            self._replace(table, select, chosen)

    def _replace(self, table: Table, select: str, chosen: str) -> None:
        """Puts a SELECT's rows in the place of the chosen ones, as far as they differ."""
        if table in self.stale:
            self.session.execute(f"insert into {table.name} {select}")
            self.changed.add(table.name)
            return
        self.session.execute(f"create or replace temp table renewed as {select}")
        columns = [column for column, *_ in self.session.execute("from renewed limit 0").description or ()]
        same = _same("held", "renewed", columns)
        held = f"(select own.rowid as place, own.* from {table.name} as own {chosen}) as held"
        self.session.execute(f"create or replace temp table leaving as from {held} anti join renewed on {same}")
        self.session.execute(f"create or replace temp table coming as from renewed anti join {held} on {same}")
        for rows in ("leaving", "coming"):
            self.note(table.name, rows)
        self.session.execute(f"delete from {table.name} where rowid in (select place from leaving)")
        self.session.execute(f"insert into {table.name} from coming")

    def _spans(self, table: Table, sources: Sequence[Table]) -> Iterator[str]:
        """The days of a table's units as runs without a gap, so short that only a single day has too many rows."""
        which, gone = "", ""
        if table not in self.stale:
            which, gone = f"semi join touched using ({_DAY})", f" union all select {_DAY}, 0 from touched"
        rows = " union all ".join(f"select {_DAY}, 1 as rows from {source.name} {which}" for source in sources)
        counted = self.session.execute(f"select {_DAY}, sum(rows) from ({rows}{gone}) group by all order by all")
        days = dict(counted.fetchall())
        self.days.update(days)
        span: list[date] = []
        for day in days:
            if span and (day - span[-1] > timedelta(days=1) or sum(map(days.__getitem__, span)) >= _SPAN_ROWS):
                yield f"where own.{_DAY} between date '{span[0]}' and date '{span[-1]}'"
                span = []
            span.append(day)
        if span:
            yield f"where own.{_DAY} between date '{span[0]}' and date '{span[-1]}'"


def _own_name(name: str) -> str:
    """A table's name without its schema: what a SELECT may call it by."""
    return name.split(".")[1]


def _noted(name: str) -> str:
    """The temporary table of a table's changed units."""
    return f"changed_{name.replace('.', '_')}"


def _of_touched(table: Table) -> str:
    return f"semi join touched on {_same('own', 'touched', table.unit)}"


def _named(columns: Iterable[str]) -> str:
    return ", ".join(map(identifier, columns))


def _same(one: str, other: str, columns: Iterable[str]) -> str:
    names = map(identifier, columns)
    return " and ".join(f"{one}.{name} is not distinct from {other}.{name}" for name in names)
