"""Brings `core.journey_events` from one set of events files to another, inside the caller's transaction.

Rows that came from files now replaced or gone go first. Keys that more than one row may stand for are decided by rank
(`ranking.py`). A row that a newer answer only repeats stays, and takes over where that landed. All other new rows,
mostly all of them, are a plain append in order of time. Not here: which files changed (`inventory.py`), the tables that
are made from the events (`refresh.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from journey_pipeline.model import EVENT_COLUMNS, LINEAGE
from journey_pipeline.warehouse.connection import WarehouseSettings, number_of
from journey_pipeline.warehouse.file_checks import Extent, events
from journey_pipeline.warehouse.inventory import FoundFile
from journey_pipeline.warehouse.loaded import (
    KEY,
    FileKey,
    columns_of,
    forget_loaded,
    note_loaded,
    recount,
)
from journey_pipeline.warehouse.ranking import IN_WAREHOUSE, NUMBERED_ROWS, find_contested, rank
from journey_pipeline.warehouse.refresh import Changes
from journey_pipeline.warehouse.schema import EVENTS
from journey_pipeline.warehouse.slices import rows_in_memory

_COLUMNS = ", ".join(column.name for column in EVENT_COLUMNS)
# Two contents of one event have equal hashes once in 2 ** 64 times.
_CONTENT = f"hash({', '.join(column.name for column in EVENT_COLUMNS if column.name not in LINEAGE)})"

# What an update of a row holds in memory until the commit, at most, and as much again for all else.
_BYTES_OF_KEPT = 1_000

KEEP_ORDER = "set preserve_insertion_order = true"

# Files whose events lie further apart are sorted as they are loaded, so that a query for some days reads only those.
# Many narrower ones, taken in order of time, are near enough to it as they are, and sorting is half of loading them. A
# few are sorted too: threads that insert beside one another would leave pieces that the next checkpoint writes again.
_WIDE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the set of files.

    Attributes:
        outgoing: Partitions whose loaded rows go: replaced ones and removed ones.
        incoming: Files to load, and the extents of their times.
        losers: Unchanged partitions some of whose rows lost to others', and where their files lie.
    """

    outgoing: Sequence[FileKey]
    incoming: dict[FoundFile, Extent]
    losers: dict[FileKey, Path]


@dataclass(slots=True)
class Merged:
    """The result of a merge.

    An event that goes and comes again as it was, but for where it landed, is no change: a rolling answer is full of
    them. So the contents of the rows that come and go are added up, as hashes, in each group of rows that the tables
    made from the events can't tell apart; a group whose sum is zero has not changed.
    """

    changes: Changes
    rows_inserted: int = 0
    rows_deleted: int = 0
    _has_gone: bool = False

    def going(self, places: str) -> None:
        """Takes note of rows that are about to go; before any come."""
        into = "insert into balance" if self._has_gone else "create or replace temp table balance as"
        self._has_gone = True
        self._add_up(into, "-", f"(from core.journey_events where rowid in (select place from {places}))")

    def coming(self, relation: str) -> None:
        """Takes note of rows that come."""
        if self._has_gone:
            self._add_up("insert into balance", "+", relation)
        else:
            self.changes.note(EVENTS.name, relation)

    def hand_on(self) -> None:
        """Tells what has changed, once all rows have come."""
        if self._has_gone:
            units = self.changes.noted_columns(EVENTS.name)
            self.changes.note(EVENTS.name, f"(select {units} from balance group by all having sum(contents) <> 0)")

    def _add_up(self, into: str, sign: str, relation: str) -> None:
        units = self.changes.noted_columns(EVENTS.name)
        self.changes.session.execute(
            f"{into} select {units}, {sign}sum({_CONTENT}) as contents from {relation} group by all"
        )


def merge(session: duckdb.DuckDBPyConnection, change: Change, settings: WarehouseSettings, changes: Changes) -> Merged:
    """Makes the change in `core.journey_events` and in `internal.files`; `changes` takes note of the events."""
    merged = Merged(changes)
    _take_out(session, change.outgoing, merged)
    _number_files(session, change)
    incoming = [found.path for found in change.incoming]
    losers = list(change.losers.values()) if change.outgoing else []
    contested = find_contested(session, incoming, losers)
    if contested:
        rank(session, incoming + losers)
        _count_out_losers(session)
        if incoming:
            most = min(settings.batch_rows, rows_in_memory(session, _BYTES_OF_KEPT))
            _keep_repeated(session, incoming, most, merged)
        _settle(session, losers, merged)
    for batch in _batches(change.incoming, settings.batch_rows):
        rows = sum(found.manifest.events.rows for found in batch)
        in_order = _is_wide(change.incoming[batch[0]]) or rows < settings.batch_rows
        _append(session, batch, merged, contested=bool(contested), in_order=in_order)
    merged.hand_on()
    _note_files(session, change, contested=bool(contested))
    return merged


def _take_out(session: duckdb.DuckDBPyConnection, outgoing: Sequence[FileKey], merged: Merged) -> None:
    session.execute("create or replace temp table gone (place bigint, event_key uuid)")
    if not outgoing:
        return
    session.execute("create or replace temp table outgoing (connection varchar, stream varchar, partition_key varchar)")
    _insert(session, "outgoing", [(key.connection, key.stream, key.partition) for key in outgoing])
    # A file's rows lie between its least and its greatest time: the rest of the table is not read.
    (span,) = session.execute(
        f"select min(first_at), max(last_at) from internal.files semi join outgoing using ({KEY})"
    ).fetchall()
    session.execute(
        f"""
        insert into gone
        select
            events.rowid,
            event_key
        from core.journey_events as events
        semi join outgoing using ({KEY})
        where occurred_at between ? and ?
        """,
        span,
    )
    merged.going("gone")
    merged.rows_deleted += number_of(session, "delete from core.journey_events where rowid in (select place from gone)")
    forget_loaded(session, "outgoing")


def _number_files(session: duckdb.DuckDBPyConnection, change: Change) -> None:
    session.execute(
        "create or replace temp table numbered "
        "(file_id integer, path varchar, connection varchar, stream varchar, partition_key varchar)"
    )
    places = {found.key: found.path for found in change.incoming} | change.losers
    rows = [(i, str(path), key.connection, key.stream, key.partition) for i, (key, path) in enumerate(places.items())]
    _insert(session, "numbered", rows)


def _count_out_losers(session: duckdb.DuckDBPyConnection) -> None:
    """Makes `lost`: the warehouse's rows that lost now. Their files count them no more."""
    session.execute(f"""
        create or replace temp table lost as
        select
            rowid as place,
            {KEY}
        from core.journey_events
        where rowid in (select place from contenders where file_id = {IN_WAREHOUSE} and not has_won)
    """)
    recount(session, "lost", "-")


def _keep_repeated(session: duckdb.DuckDBPyConnection, incoming: Sequence[Path], most: int, merged: Merged) -> None:
    """Makes `kept`: rows of `lost` whose winner is equal but for where it landed. They stay, and take that over.

    Three columns are written where a row that goes and comes writes all. DuckDB holds them in memory until the commit.

    Args:
        most: Rows to keep; further ones go and come.
    """
    session.execute(f"""
        create or replace temp table kept as
        select
            held.place,
            won.* exclude (event_key, content)
        from (
            select
                rowid as place,
                event_key,
                {_CONTENT} as content
            from core.journey_events
            where rowid in (select place from lost)
        ) as held
        join (
            select
                event_key,
                {_CONTENT} as content,
                filename,
                file_row_number,
                {", ".join(LINEAGE)}
            from {events(incoming, NUMBERED_ROWS)}
            semi join ({_rows_that("has_won")}) using (filename, file_row_number)
        ) as won using (event_key, content)
        limit {most}
    """)
    taken = ", ".join(f"{name} = kept.{name}" for name in LINEAGE)
    kept = number_of(
        session, f"update core.journey_events set {taken} from kept where journey_events.rowid = kept.place"
    )
    merged.rows_deleted += kept
    merged.rows_inserted += kept
    session.execute("delete from lost where place in (select place from kept)")


def _settle(session: duckdb.DuckDBPyConnection, losers: Sequence[Path], merged: Merged) -> None:
    """Takes out the warehouse's rows that lost now, and brings back those of unchanged files that win again."""
    merged.going("lost")
    merged.rows_deleted += number_of(session, "delete from core.journey_events where rowid in (select place from lost)")
    if not losers:
        return
    session.execute(f"""
        create or replace temp table again as
        select {_COLUMNS}
        from {events(losers, NUMBERED_ROWS)}
        semi join ({_rows_that("has_won")}) using (filename, file_row_number)
    """)
    merged.coming("again")
    merged.rows_inserted += number_of(
        session, f"insert into core.journey_events by name select {_COLUMNS} from again order by occurred_at"
    )
    recount(session, "again", "+")


def _rows_that(which: str) -> str:
    """A SELECT of the contending rows of files for which something is so, by file and place in it."""
    return f"""
        select
            path as filename,
            place as file_row_number
        from contenders
        join numbered using (file_id)
        where {which}
    """


def _append(
    session: duckdb.DuckDBPyConnection, batch: Sequence[FoundFile], merged: Merged, *, contested: bool, in_order: bool
) -> None:
    unless_lost = f"""
        anti join (
            {_rows_that("not has_won")}
            union all
            select
                filename,
                file_row_number
            from kept
        ) using (filename, file_row_number)
    """
    source = events((found.path for found in batch), NUMBERED_ROWS if contested else "")
    won = f"(select {_COLUMNS} from {source} {unless_lost if contested else ''})"
    merged.coming(won)
    insert = f"insert into core.journey_events by name select {_COLUMNS} from {won}"
    if in_order:
        merged.rows_inserted += number_of(session, f"{insert} order by occurred_at")
        return
    # Threads then insert what they have read beside one another, about in the order of the files.
    session.execute("set preserve_insertion_order = false")
    merged.rows_inserted += number_of(session, insert)
    session.execute(KEEP_ORDER)


def _note_files(session: duckdb.DuckDBPyConnection, change: Change, *, contested: bool) -> None:
    lost = {}
    if contested:
        lost = dict(
            session.execute(
                "select path, count(*) from contenders join numbered using (file_id) where not has_won group by path"
            ).fetchall()
        )
    rows = [
        (
            *(found.key.connection, found.key.stream, found.key.partition),
            found.manifest_sha256,
            found.manifest_signature,
            found.manifest_text,
            found.manifest.events.sha256,
            found.manifest.events.rows,
            found.manifest.events.rows - lost.get(str(found.path), 0),
            extent.first_at,
            extent.last_at,
        )
        for found, extent in change.incoming.items()
    ]
    note_loaded(session, rows)


def _batches(incoming: dict[FoundFile, Extent], batch_rows: int) -> Iterator[list[FoundFile]]:
    """Files in order of time: the narrow ones together, the wide ones so many that sorting them stays inside memory."""
    epoch = datetime.fromtimestamp(0, UTC)
    in_time = sorted(incoming, key=lambda found: (incoming[found].first_at or epoch, found.key))
    if narrow := [found for found in in_time if not _is_wide(incoming[found])]:
        yield narrow
    batch: list[FoundFile] = []
    rows = 0
    for found in in_time:
        if not _is_wide(incoming[found]):
            continue
        if batch and rows + found.manifest.events.rows > batch_rows:
            yield batch
            batch, rows = [], 0
        batch.append(found)
        rows += found.manifest.events.rows
    if batch:
        yield batch


def _is_wide(extent: Extent) -> bool:
    return extent.first_at is not None and extent.last_at is not None and extent.last_at - extent.first_at > _WIDE


def _insert(session: duckdb.DuckDBPyConnection, table: str, rows: Sequence[tuple[object, ...]]) -> None:
    if rows:
        columns = columns_of(rows)
        session.execute(f"insert into {table} select {', '.join(['unnest(?)'] * len(columns))}", columns)
