"""Makes the tables that are SELECTs over others again, as far as what they read has changed.

A table's SQL file (`sql/`) says how it is made. A view runs when it is read. The SELECT of a table made as a whole runs
at each sync that changed a table that it reads. The SELECT of a table made by a unit (some columns) runs for the units
whose rows changed in a table that it reads, and sees the rows of those units alone, in each table that has these
columns. So a row may depend only on rows of its own unit. Where an event landed is out of its sight: an answer that
tells of the same event again changes that, and makes no unit again. The SELECT of a table made by adding up runs over
the rows that came and over those that went, and the sums change by the difference. Always only rows that differ are
written. Not here: changing the events (`merge.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import duckdb

from journey_pipeline.errors import WarehouseError, text_of
from journey_pipeline.model import LINEAGE
from journey_pipeline.sql import identifier
from journey_pipeline.warehouse.connection import number_of
from journey_pipeline.warehouse.schema import EVENTS, LOADED_TABLES
from journey_pipeline.warehouse.slices import slices
from journey_pipeline.warehouse.step_places import compute_step_places
from journey_pipeline.warehouse.table import Table, comment_on, create_table, forget_tables, note_tables

# Units are made again together up to this many rows, so that counting and sorting them stays inside memory.
_SPAN_ROWS = 2_000_000
_DAY = "occurred_on"
# Where a table has one of these, a unit's rows lie between the first and the last event of its life.
_TIMES = ("occurred_at", "first_event_at")
# Rows lie in the order of one of these, so that those of a few days are found without a look at all.
_SORTED_BY = ("first_event_at", _DAY)
_COMPUTED = {"internal.step_places": compute_step_places}
"""What no SELECT can say: called before the table is made that shows its result."""
_WRONG_SQL = (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException)


def stale_tables(session: duckdb.DuckDBPyConnection, tables: tuple[Table, ...]) -> set[Table]:
    """The tables that are not there yet or were made from another text; those that no text makes any more go."""
    made = dict(session.execute("select table_name, digest from internal.tables").fetchall())
    known = {table.name for table in (*LOADED_TABLES, *tables)}
    if unknown := sorted(made.keys() - known):
        forget_tables(session, unknown)
    return {table for table in tables if made.get(table.name) != table.digest}


@dataclass(slots=True)
class Changes:
    """The changes of the tables from which others are made.

    Attributes:
        tables: All that SELECTs make, in order.
        stale: Those of them to make from the ground up.
        changed: The names of the tables of which rows have changed.
        days: The days of the units that were made again.
        spans: By the name of a table of lives, the first and the last day of the units that were made again.
        level: The names of the tables loaded from files that this sync leaves as they are.
        touched: The relation of the units that are made again now.
    """

    session: duckdb.DuckDBPyConnection
    tables: tuple[Table, ...]
    stale: set[Table]
    changed: set[str] = field(default_factory=set)
    days: set[date] = field(default_factory=set)
    spans: dict[str, tuple[date, date]] = field(default_factory=dict)
    level: frozenset[str] = frozenset()
    touched: str = ""
    _kept: set[str] = field(default_factory=set)
    _seen: dict[str, str] = field(default_factory=dict)
    _counted: dict[tuple[object, ...], Mapping[date, int]] = field(default_factory=dict)
    _known: Mapping[str, Table] = field(init=False)

    def __post_init__(self) -> None:
        self._known = {EVENTS.name: EVENTS} | {table.name: table for table in self.tables if not table.is_view}
        for table in (table for table in self.tables if table.unit or table.is_sum):
            may_read = self._known.keys() if table.unit else self._known.keys() - {EVENTS.name}
            if unknown := sorted(table.reads - may_read):
                raise WarehouseError(
                    f"{table.name} is made by {', '.join(table.unit) or 'adding up'} and reads {', '.join(unknown)}. "
                    f"It may read {f'{EVENTS.name}, ' if table.unit else ''}tables that SELECTs make, and views of "
                    "those: write `Made: as a whole.` or `Made: a view.`"
                )
            if len({_own_name(name) for name in table.reads}) < len(table.reads):
                names = ", ".join(sorted(table.reads))
                raise WarehouseError(f"{table.name} reads tables of one name in two schemas: {names}. Rename one")

    def note(self, name: str, rows: str) -> None:
        """Takes note of rows of a table that come or go.

        Args:
            rows: An SQL relation with the rows. Rows that go must be there still.
        """
        into = "insert into {}" if name in self.changed else "create or replace temp table {} as"
        found = f"{into.format(_noted(name))} select distinct {self.noted_columns(name)} from {rows}"
        if not self._readers(name) or number_of(self.session, found):
            self.changed.add(name)

    def noted_columns(self, name: str) -> str:
        """The columns of a table that are noted of its rows, as SQL: their values tell what to make again."""
        readers = self._readers(name)
        noted = {column for table in readers for column in (*table.unit, *dict(table.beside).get(name, ()))}
        if any(table.lives for table in readers):
            noted.add(_DAY)
        return _named(sorted(noted & self._known[name].column_names)) or "true"

    def refresh(self) -> None:
        """Makes the tables again that read what has changed, and those that are stale."""
        anew = [table for table in self.tables if table in self.stale]
        if anew:
            forget_tables(self.session, [table.name for table in anew])
        for table in self.tables:
            try:
                self._make(table)
            except _WRONG_SQL as error:
                said = text_of(error).splitlines()[0]
                if table.unit and any(name in said for name in LINEAGE):
                    said += f" A table made by a unit sees no {', '.join(LINEAGE)} of an event"
                raise WarehouseError(
                    f"{table.name} can't be made: {said}. Nothing has changed. Correct its SQL file, and sync again."
                ) from error
        note_tables(self.session, anew)

    def _make(self, table: Table) -> None:
        if self._is_level(table):
            return
        if compute := _COMPUTED.get(table.name):
            compute(self.session)
        if table in self.stale:
            create_table(self.session, table)
            comment_on(self.session, table)
        if table.unit:
            self._make_units(table)
        elif table.is_sum:
            self._add_up(table)
        elif not table.is_view:
            self._replace(table, table.sql, "")

    def _is_level(self, table: Table) -> bool:
        """Whether nothing has changed that a table made as a whole reads, itself or through views."""
        if table in self.stale or table.unit or table.is_sum or not table.reads:
            return False
        views = {view.name: view for view in self.tables if view.is_view}
        reads = set(table.reads)
        while through := reads & views.keys():
            if any(views[name] in self.stale for name in through):
                return False
            reads = (reads - through).union(*(views.pop(name).reads for name in through))
        return reads.isdisjoint(self.changed) and reads <= self._known.keys() - {EVENTS.name} | self.level

    def _readers(self, name: str) -> list[Table]:
        """The tables to make again in part if rows of a table change."""
        made_in_part = (table for table in self.tables if table.unit or table.is_sum)
        return [table for table in made_in_part if name in table.reads and table not in self.stale]

    def _make_units(self, table: Table) -> None:
        """Makes the changed units of a table, or all of them."""
        sources = [self._known[name] for name in sorted(table.reads)]
        shared = [source for source in sources if source.has(table.unit)]
        changed = [source for source in sources if source.name in self.changed]
        known = [*shared, *(self._known[name] for name, _ in table.beside)]
        self._empty_if(table, any(source in self.stale or source not in known for source in changed))
        are_all = table in self.stale
        if not (are_all or changed):
            return
        if not are_all:
            self._touch(table, changed, shared)
            if any(source.lives != table.lives for source in changed):  # else its units have been measured
                self._measure_lives(table)
        for part in self._parts(table, shared):
            select = table.sql
            for source in (source for source in sources if source is EVENTS or source in shared):
                columns = f"* exclude ({_named(LINEAGE)})" if source is EVENTS else "*"
                chosen = self._chosen(table, source, part) if source in shared else ""
                select = self._put(select, source, f"select {columns} from {source.name} as own {chosen}")
            self._replace(table, select, self._chosen(table, table, part), self._exact(table, shared))

    def _parts(self, table: Table, sources: Sequence[Table]) -> Iterable[str]:
        """Which of a table's units are made at once, in turn: so many that they fit into the memory limit."""
        if _DAY in table.unit:
            return self._spans(table, sources)
        if table in self.stale:
            return slices(self.session, table, [f"{source.name} as own" for source in sources])
        rows = [f"{source.name} as own {self._chosen(table, source, '')}" for source in sources]
        return slices(self.session, table, rows, self.touched)

    def _empty_if(self, table: Table, must: bool) -> None:  # noqa: FBT001 - it reads as a sentence
        """Makes a table from the ground up if it must be."""
        if must:
            self.session.execute(f"delete from {table.name}")
            self.stale.add(table)

    def _touch(self, table: Table, changed: Sequence[Table], shared: Sequence[Table]) -> None:
        """Names the relation that holds the units of a table which the changed rows of sources concern."""
        if len(changed) == 1 and changed[0] in shared and not table.repeats:
            self.touched = _noted(changed[0].name)
            return
        units = " union ".join(self._units_of(table, source, shared) for source in changed)
        self.session.execute(f"create or replace temp table touched as {units}")
        self.touched = "touched"

    def _units_of(self, table: Table, source: Table, shared: Sequence[Table]) -> str:
        """A SELECT of the units of a table that the changed rows of a source concern."""
        if repeats := dict(table.repeats).get(source.name):
            same = _same("own", "came", table.unit)
            return (
                f"select {_named(table.unit)} from {_kept(source.name)} where place is not null union "
                f"select {_named(table.unit)} from {_kept(source.name)} as came "
                f"anti join {table.name} as own on {same} and ({repeats}) where place is null"
            )
        if source in shared:
            return f"select {_named(table.unit)} from {_noted(source.name)}"
        columns = dict(table.beside)[source.name]
        held = next((other for other in shared if other is not EVENTS), table)
        return f"select {_named(table.unit)} from {held.name} semi join {_noted(source.name)} using ({_named(columns)})"

    def _measure_lives(self, table: Table) -> None:
        """Finds between which days the events of the touched units lie, before and after the change."""
        lives = self._known.get(table.lives)
        if lives is None or lives in self.stale:
            return
        of_touched = self._of_touched(table, lives)
        lived = f"select first_event_at::date, last_event_at::date from {lives.name} as own {of_touched}"
        days = [f"select {_DAY}, {_DAY} from {_noted(EVENTS.name)}"] if EVENTS.name in self.changed else []
        days += [f"select date '{one}', date '{other}'" for one, other in [*self.spans.values()] if one and other]
        ends = " union all ".join([lived, *days])
        (span,) = self.session.execute(f"select min(first), max(last) from ({ends}) as ends (first, last)").fetchall()
        if all(span):
            self.spans[lives.name] = span

    def _chosen(self, table: Table, source: Table, days: str) -> str:
        """Which rows of a source, or of the table itself, belong to the units that are made now."""
        if table in self.stale:
            return days
        time = next((column for column in _TIMES if column in source.column_names), None)
        if time and table.lives in self.spans:
            first, last = self.spans[table.lives]
            lived = f"own.{time} >= date '{first}' and own.{time} < date '{last + timedelta(days=1)}'"
            days = f"{days} and {lived}" if days else f"where {lived}"
        return f"{self._of_touched(table, source)} {days}"

    def _of_touched(self, table: Table, source: Table) -> str:
        """Which rows of a source belong to the touched units of a table."""
        same = _same("own", "touched", table.unit)
        if number := dict(source.numbers).get(table.unit):
            same = f"own.{number} = hash({', '.join(f'touched.{identifier(name)}' for name in table.unit)})"
        return f"semi join {self.touched} as touched on {same}"

    def _exact(self, table: Table, sources: Sequence[Table]) -> str:
        """Leaves out rows of units that were found since their number is that of a touched one by chance."""
        if any(table.unit in dict(source.numbers) for source in (table, *sources)):
            return f"semi join {self.touched} as touched on {_same('own', 'touched', table.unit)}"
        return ""

    def _add_up(self, table: Table) -> None:
        """Adds the rows that came to a table's sums, and takes off those that went."""
        sources = [self._known[name] for name in sorted(table.reads)]
        changed = [source for source in sources if source.name in self.changed]
        self._empty_if(table, any(source in self.stale for source in changed))
        if table in self.stale:
            self._replace(table, _sums(table, f"({table.sql})"), "")
        elif changed:
            summed = [column.name for column in table.columns if column.name not in table.key]
            negated = ", ".join(f"-{identifier(name)} as {identifier(name)}" for name in summed)
            came = self._moved(table, sources, "place is null")
            self.session.execute(f"create or replace temp table difference as {came}")
            went = self._moved(table, sources, "place is not null")
            self.session.execute(f"insert into difference select * replace ({negated}) from ({went})")
            chosen = f"semi join difference on {_same('own', 'difference', table.key)}"
            rows = f"(from {table.name} as own {chosen} union all from difference)"
            self._replace(table, _sums(table, rows), chosen)

    def _moved(self, table: Table, sources: Sequence[Table], which: str) -> str:
        """A table's SELECT over the rows that came or went."""
        select = table.sql
        for source in sources:
            moved = f"select * exclude (place) from {_kept(source.name)} where {which}"
            select = self._put(select, source, moved if source.name in self.changed else f"from {source.name} limit 0")
        return select

    def _put(self, select: str, source: Table, rows: str) -> str:
        """A SELECT that sees some rows in the place of a table."""
        name = _own_name(source.name)
        if self._seen.get(name) != rows:
            self.session.execute(f"create or replace temp view {name} as {rows}")
            self._seen[name] = rows
        return re.sub(rf"\b{re.escape(source.name)}\b", f"temp.{name}", select)

    def _keep(self, name: str) -> None:
        """Keeps the rows of a table that came and went, for the tables that look at each."""
        if any(table.is_sum or name in dict(table.repeats) for table in self._readers(name)):
            if name in self._kept:
                self.session.execute(f"insert into {_kept(name)} from differing")
            else:
                self.session.execute(f"alter table differing rename to {_kept(name)}")
            self._kept.add(name)

    def _replace(self, table: Table, select: str, chosen: str, exact: str = "") -> None:
        """Puts a SELECT's rows in the place of the chosen ones, as far as they differ.

        Args:
            exact: Which of the rows that differ count, where more are chosen than have been touched.
        """
        if table in self.stale:
            self.session.execute(f"insert into {table.name} {select}")
            self.changed.add(table.name)
            return
        # A row that is there before and after is as it was. To join on each column would take longer to plan.
        differing = f"""
            create or replace temp table differing as
            from (
                select any_value(place) as place, * exclude (place)
                from (
                    select own.rowid as place, own.* from {table.name} as own {chosen}
                    union all by name
                    ({select}
                    )
                )
                group by all
                having count(place) in (0, count(*))
            ) as own {exact}
        """
        if not number_of(self.session, differing):
            return
        self.note(table.name, "differing")
        self.session.execute(f"delete from {table.name} where rowid in (select place from differing)")
        order = next((f"order by {column}" for column in _SORTED_BY if column in table.column_names), "")
        came = f"select * exclude (place) from differing where place is null {order}"
        self.session.execute(f"insert into {table.name} by name {came}")
        self._keep(table.name)

    def _spans(self, table: Table, sources: Sequence[Table]) -> Iterator[str]:
        """The days of a table's units as runs without a gap, so short that only a single day has too many rows."""
        days = self._rows_of_days(table, sources)
        self.days.update(days)
        span: list[date] = []
        for day in days:
            if span and (day - span[-1] > timedelta(days=1) or sum(map(days.__getitem__, span)) >= _SPAN_ROWS):
                yield f"where own.{_DAY} between date '{span[0]}' and date '{span[-1]}'"
                span = []
            span.append(day)
        if span:
            yield f"where own.{_DAY} between date '{span[0]}' and date '{span[-1]}'"

    def _rows_of_days(self, table: Table, sources: Sequence[Table]) -> Mapping[date, int]:
        """How many rows of the sources each day has that is made again: the same for tables of the same sources."""
        is_stale = table in self.stale
        changed = {name for name in table.reads if name in self.changed and not is_stale}
        of_its_own = table.name if table.beside else ""
        key = (of_its_own, is_stale, *sorted(changed), "of", *(source.name for source in sources))
        if key not in self._counted:
            which = "" if is_stale else f"semi join {self.touched} as touched using ({_DAY})"
            gone = "" if is_stale else f" union all select {_DAY}, 0 from {self.touched}"
            rows = " union all ".join(f"select {_DAY}, 1 as rows from {source.name} {which}" for source in sources)
            counted = self.session.execute(f"select {_DAY}, sum(rows) from ({rows}{gone}) group by all order by all")
            self._counted[key] = dict(counted.fetchall())
        return self._counted[key]


def _own_name(name: str) -> str:
    """A table's name without its schema: what a SELECT may call it by."""
    return name.split(".")[1]


def _noted(name: str) -> str:
    """The temporary table of a table's changed units."""
    return f"changed_{name.replace('.', '_')}"


def _kept(name: str) -> str:
    """The temporary table of a table's rows that came and went."""
    return f"kept_{name.replace('.', '_')}"


def _sums(table: Table, rows: str) -> str:
    """A SELECT that adds rows up by a table's key; what adds up to nothing is left out."""
    summed = [identifier(column.name) for column in table.columns if column.name not in table.key]
    sums = ", ".join(
        f"sum({name})::bigint as {name}" if name in summed else name
        for name in (identifier(column.name) for column in table.columns)
    )
    some = " or ".join(f"sum({name}) <> 0" for name in summed)
    return f"select {sums} from {rows} group by {_named(table.key)} having {some}"


def _named(columns: Iterable[str]) -> str:
    return ", ".join(map(identifier, columns))


def _same(one: str, other: str, columns: Iterable[str]) -> str:
    names = map(identifier, columns)
    return " and ".join(f"{one}.{name} is not distinct from {other}.{name}" for name in names)
