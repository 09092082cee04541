"""Questions to the warehouse: SQL on the published file, and how far twins agree.

Not here: one person's events (`contact.py`), the figures of each stream (`stream_figures.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any

import duckdb

from journey_pipeline.errors import ConfigError, WarehouseError, text_of
from journey_pipeline.files import met_disk_trouble
from journey_pipeline.lake.layout import Lake
from journey_pipeline.model import Figure, Figures, StreamKey, Window, iso
from journey_pipeline.settings import HOME_VARIABLE, PUBLISHED_VARIABLE, published_place
from journey_pipeline.sql import literal
from journey_pipeline.warehouse.connection import (
    WarehouseSettings,
    describe,
    naming_failures,
    published_file,
    reading,
    warehouse_file,
    writer_lock,
)
from journey_pipeline.warehouse.schema import is_of_this_version

_BATCH_ROWS = 10_000
_HINTS = ("Did you mean", "Candidate bindings")


@dataclass(frozen=True, slots=True)
class QueryResult:
    """The answer of a query.

    Attributes:
        columns: Their names, in order.
        batches: Lists of rows, read as they are asked for; the file stays open until they have all been read, or
            the iterator is closed.
    """

    columns: tuple[str, ...]
    batches: Iterator[list[tuple[Any, ...]]]


def query(lake: Lake, sql: str) -> QueryResult:
    """Runs SQL on the published warehouse as it is now; a publish meanwhile neither waits nor disturbs.

    Args:
        sql: One or more statements; the last one's rows are given.

    Raises:
        ConfigError: If nothing is published yet.
        WarehouseError: In one line, if DuckDB refuses the SQL; also while batches are read.
    """
    with ExitStack() as stack:
        session = stack.enter_context(opened_published(lake))
        answer = Published(session).answer(sql)
        return QueryResult(answer.columns, _closing(answer.batches, stack.pop_all()))


def export_parquet(lake: Lake, sql: str, file: Path, limit: int | None = None) -> None:
    """Writes the rows of a query on the published warehouse to a Parquet file.

    Raises:
        ConfigError: If nothing is published yet.
        WarehouseError: In one line, if DuckDB refuses the SQL.
        OSError: If the disk refuses the file.
    """
    file.touch()
    with opened_published(lake) as session, _naming_refusals(session), _telling_disk_trouble():
        *before, last = _statements(session, sql)
        for statement in before:
            session.execute(statement).complete()
        rows = session.sql(last.query)
        if rows is None:
            raise WarehouseError("the query gives no rows, so there is nothing to write")
        (rows if limit is None else rows.limit(limit)).write_parquet(str(file), compression="zstd")


def counted_events(lake: Lake, key: StreamKey, window: Window) -> Figures:
    """What the published events count of each journey and step in a span of time, without dry runs."""
    found = query(
        lake,
        f"""
        select
            journey_id,
            if(action = 'send', activity_id, '') as activity_id,
            case action when 'enter' then 'entered' when 'exit' then 'left' else 'sent' end as what,
            count(*) as events
        from core.journey_events
        where connection = {literal(key.connection)}
            and stream = {literal(key.stream)}
            and occurred_at >= {literal(iso(window.start))}::timestamptz
            and occurred_at < {literal(iso(window.end))}::timestamptz
            and action in ('enter', 'exit', 'send')
            and is_test is not true
        group by all
        """,
    )
    return {Figure(*row[:3]): row[3] for batch in found.batches for row in batch}


def _closing(batches: Iterator[list[tuple[Any, ...]]], stack: ExitStack) -> Iterator[list[tuple[Any, ...]]]:
    with stack:
        yield from batches


@contextmanager
def opened_published(lake: Lake) -> Iterator[duckdb.DuckDBPyConnection]:
    """The published file, read-only, as it is now.

    Raises:
        ConfigError: If nothing is published yet.
        WarehouseError: If the file can't be opened.
    """
    file = published_file(lake)
    if not file.exists():
        raise ConfigError(_nothing_published(file))
    with ExitStack() as stack:
        with naming_failures(f"opening {file.name}", "run `journey-pipeline publish` to replace it"):
            session = stack.enter_context(reading(lake, file))
        yield session


def _statements(session: duckdb.DuckDBPyConnection, sql: str) -> list[duckdb.Statement]:
    """The statements of a text, of which there is at least one."""
    if found := session.extract_statements(sql):
        return found
    raise WarehouseError("the query holds no statement.")


@contextmanager
def _telling_disk_trouble() -> Iterator[None]:
    """Tells of trouble with the disk as Python does, where DuckDB writes a file for a person."""
    try:
        yield
    except duckdb.IOException as error:
        if trouble := met_disk_trouble(error):
            raise trouble from error
        raise


@contextmanager
def _naming_refusals(session: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Turns DuckDB's errors about a person's SQL into a sentence that says what is wrong with it."""
    try:
        yield
    except duckdb.Error as error:
        raise WarehouseError(f"the query was refused: {_reason(session, error)}") from error


def _reason(session: duckdb.DuckDBPyConnection, error: duckdb.Error) -> str:
    said = text_of(error)
    if "read-only mode" in said or "Can only delete from" in said or "Can only update" in said:
        return "the published file is read-only. To keep a result, write it to a file with --out."
    proposes = any(hint in said for hint in _HINTS)  # that names tables and columns, and no value
    reason = " ".join(said.partition("\n\n")[0].split()) if proposes else describe(error)
    if isinstance(error, (duckdb.CatalogException, duckdb.BinderException)) and not is_of_this_version(session):
        return f"{reason}; another version published the file: `journey-pipeline sync` publishes it anew."
    return reason if proposes else f"{reason}; tables and columns: `select * from duckdb_columns()`."


class Published:
    """The published warehouse, as it was when it was opened."""

    def __init__(self, session: duckdb.DuckDBPyConnection) -> None:
        self._session = session

    def ask(self, sql: str) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """The columns and all rows of an answer.

        Raises:
            WarehouseError: In one line, if DuckDB refuses the SQL.
        """
        with _naming_refusals(self._session):
            rows = self._session.execute(sql).fetchall()
        return tuple(column[0] for column in self._session.description or ()), rows

    def answer(self, sql: str) -> QueryResult:
        """An answer whose rows are read as they are asked for, before the next question.

        Raises:
            WarehouseError: In one line, if DuckDB refuses the SQL; also while batches are read.
        """
        with _naming_refusals(self._session):
            _statements(self._session, sql)
            self._session.execute(sql)
        return QueryResult(tuple(column[0] for column in self._session.description or ()), self._batches())

    def _batches(self) -> Iterator[list[tuple[Any, ...]]]:
        while True:
            with _naming_refusals(self._session):
                rows = self._session.fetchmany(_BATCH_ROWS)
            if not rows:
                return
            yield rows

    def has(self, table: str) -> bool:
        """Whether it has a table or view, given as `schema.name`."""
        schema, name = table.split(".")
        found = self._session.execute(
            "select count(*) from information_schema.tables where table_schema = $schema and table_name = $name",
            {"schema": schema, "name": name},
        ).fetchone()
        return bool(found and found[0])


@contextmanager
def published(lake: Lake) -> Iterator[Published]:
    """The published warehouse for several questions: a publish meanwhile changes no answer.

    Raises:
        ConfigError: If nothing is published yet.
        WarehouseError: If the file can't be opened.
    """
    with opened_published(lake) as session:
        yield Published(session)


def _nothing_published(file: Path) -> str:
    """A sentence that names the folder where nothing is published, and the variable to set."""
    variable, example = HOME_VARIABLE, ", such as data/sandbox after a demo"
    if published_place():
        variable, example = PUBLISHED_VARIABLE, ""
    return (
        f"nothing is published yet: {file.name} is not in {file.parent}. Run `journey-pipeline sync`, or set "
        f"{variable} to where it is{example}."
    )


_DEFAULTS = WarehouseSettings()

# Only days that both streams surely have as a whole. All partitions are loaded of the day and of the next one, whose
# files hold what came late. No order of either is under way, or has landed without being loaded. Files end at the
# vendor's windows, so that the first and the last day of either may be a few events of another day's file.
_AGREEMENT = """
with partitions as (
    select distinct
        connection,
        stream,
        unnest(list_prepend(partition_key, coalesce(covers, []))) as partition_key
    from internal.files
),

loaded as (
    select
        connection,
        stream,
        left(partition_key, length('2026-11-01'))::date as occurred_on
    from partitions
    group by all
    having sum(case when length(partition_key) > length('2026-11-01') then 1 else 24 end) >= 24
),

under_way as (
    select
        ordered.connection,
        ordered.stream,
        unnest(
            range(ordered.window_start::date - 1, ordered.window_end::timestamp, interval 1 day)
        )::date as occurred_on
    from ops.exports as ordered
    left join internal.files as files
        on files.connection = ordered.connection
            and files.stream = ordered.stream
            and files.partition_key = ordered.partition_key
    where ordered.state in ('wanted', 'asking', 'pending', 'ready', 'split')
        or (ordered.state = 'landed' and files.landed_at < ordered.ready_at)
),

whole as (
    select loaded.*
    from loaded
    semi join loaded as following
        on following.connection = loaded.connection
            and following.stream = loaded.stream
            and following.occurred_on = loaded.occurred_on + 1
    anti join under_way
        on under_way.connection = loaded.connection
            and under_way.stream = loaded.stream
            and under_way.occurred_on = loaded.occurred_on
),

told as (
    select
        *,
        min(occurred_on) filter (in_both + only_in_stream > 0) over pair as stream_from,
        max(occurred_on) filter (in_both + only_in_stream > 0) over pair as stream_to,
        min(occurred_on) filter (in_both + only_in_twin > 0) over pair as twin_from,
        max(occurred_on) filter (in_both + only_in_twin > 0) over pair as twin_to
    from ops.agreement
    window pair as (partition by connection, stream)
)
select
    connection,
    stream,
    twin_stream,
    occurred_on,
    in_both,
    only_in_stream,
    only_in_twin
from told
semi join whole using (connection, stream, occurred_on)
semi join whole as of_twin
    on of_twin.connection = told.connection
        and of_twin.stream = told.twin_stream
        and of_twin.occurred_on = told.occurred_on
where occurred_on > stream_from
    and occurred_on > twin_from
    and occurred_on < stream_to
    and occurred_on < twin_to
    and occurred_on >= least(stream_to, twin_to) - $days::integer
order by all
"""


@dataclass(frozen=True, slots=True)
class AgreementTolerance:
    """When a difference between two streams is normal.

    Attributes:
        share: On no day more than this share of the events is in only one of them,
        events: or they are so few.
        days: So many days are looked at, back from the last one that both have.
    """

    share: float = 0.05
    events: int = 5
    days: int = 28


@dataclass(frozen=True, slots=True)
class DayOfBoth:
    """A day's events of a stream and its twin; as in `ops.agreement`."""

    occurred_on: date
    in_both: int
    only_in_stream: int
    only_in_twin: int

    @property
    def only_in_one(self) -> int:
        """Events that one of them lacks."""
        return self.only_in_stream + self.only_in_twin

    def is_within(self, tolerance: AgreementTolerance) -> bool:
        """Whether the difference is normal."""
        events = self.in_both + self.only_in_one
        return self.only_in_one <= max(tolerance.events, tolerance.share * events)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far a stream and its twin agree.

    Attributes:
        twin_stream: The stream in which marts count events of both.
        days: Oldest first.
    """

    connection: str
    stream: str
    twin_stream: str
    days: Sequence[DayOfBoth]

    def apart(self, tolerance: AgreementTolerance) -> list[DayOfBoth]:
        """The days on which the difference is not normal."""
        return [day for day in self.days if not day.is_within(tolerance)]


def read_agreements(
    lake: Lake, tolerance: AgreementTolerance, settings: WarehouseSettings = _DEFAULTS
) -> list[Agreement]:
    """How far all pairs of streams agree that the warehouse has at least one whole day of.

    Raises:
        WarehouseError: If it can't be read, or another process keeps writing.
    """
    attempt = naming_failures("reading how far streams agree", "run `journey-pipeline sync`")
    with (
        writer_lock(lake, settings.lock_wait_s),
        attempt,
        reading(lake, warehouse_file(lake), settings.memory, threads=1) as session,
    ):
        rows = session.execute(_AGREEMENT, {"days": tolerance.days}).fetchall()
    return [
        Agreement(connection, stream, twin_stream, [DayOfBoth(*row[3:]) for row in days])
        for (connection, stream, twin_stream), days in groupby(rows, lambda row: row[:3])
    ]
