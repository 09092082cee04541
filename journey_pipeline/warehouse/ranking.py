"""Decides which row of a key wins if several files hold it, and finds files whose lost rows may have to be restored.

Not here: the merge that asks (`merge.py`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from journey_pipeline.files import signature
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import EventsManifest
from journey_pipeline.warehouse.connection import number_of
from journey_pipeline.warehouse.file_checks import events, parquet
from journey_pipeline.warehouse.inventory import BrokenFile, Inventory, mismatch
from journey_pipeline.warehouse.loaded import FileKey

# The file number of rows that are in the warehouse already.
IN_WAREHOUSE = -1
NUMBERED_ROWS = ", filename = true, file_row_number = true"

_ROW = "event_key, connection, stream, partition_key, landing_file, landing_row"


def find_contested(session: duckdb.DuckDBPyConnection, incoming: Collection[Path], losers: Collection[Path]) -> int:
    """Makes `contested`: the keys that more than one row may stand for.

    Those are the keys that incoming files repeat, those of them that the warehouse holds from other files, and
    those of the rows just deleted (`gone`) that a file with losing rows has too.

    Args:
        session: With `gone` in place.
        losers: The unchanged files that hold rows which lost; no other unchanged file can hold a key of `gone`.

    Returns:
        How many keys.
    """
    parts = ["select null::uuid as event_key where false"]
    if incoming:
        if _may_repeat(session, incoming):
            parts.append(f"select event_key from {events(incoming)} group by event_key having count(*) > 1")
        parts.append(f"select event_key from core.journey_events semi join {events(incoming)} using (event_key)")
    if losers:
        parts.append(f"select event_key from {events(losers)} semi join gone using (event_key)")
    session.execute(f"create or replace temp table contested as {' union '.join(parts)}")
    return number_of(session, "select count(*) from contested")


def _may_repeat(session: duckdb.DuckDBPyConnection, files: Collection[Path]) -> bool:
    """Whether files repeat a key, told by hashes: one that is there twice may be chance, and costs a second look."""
    hashes = "count(distinct hash(event_key::varchar))"
    repeats = number_of(session, f"select count(*) > {hashes} from {parquet(files)}")
    return bool(repeats)


def rank(session: duckdb.DuckDBPyConnection, files: Collection[Path]) -> None:
    """Makes `contenders`: of every row of a contested key where it is (`file_id`, `place`) and whether it `has_won`.

    Ranks are compared as numbers, made once for each landed file, because the rows may be many. Two rows of one file
    with the same rank can't be in a sound file; then the later one wins.

    Args:
        session: With `contested` and `numbered` in place.
        files: The incoming files and those with losing rows.
    """
    held = f"select {_ROW}, {IN_WAREHOUSE} as file_id, rowid as place from core.journey_events"
    outside = (
        f"select {_ROW}, file_id, file_row_number as place from {events(files, NUMBERED_ROWS)} "
        "join (select file_id, path from numbered) on path = filename"
    )
    rows = f"({held} union all {outside})" if files else f"({held})"
    session.execute(f"create or replace temp view contested_rows as from {rows} semi join contested using (event_key)")
    session.execute("""
        create or replace temp table landings as
        select
            *,
            row_number() over (
                order by
                    split_part(landing_file, '/', 2),
                    partition_key,
                    landing_file,
                    connection,
                    stream
            ) as landing_id
        from (
            select distinct
                connection,
                stream,
                partition_key,
                landing_file
            from contested_rows
        )
    """)
    session.execute("""
        create or replace temp table contenders as
        select
            file_id,
            place,
            row_number() over (
                partition by event_key
                order by landing_id desc, landing_row desc, place desc
            ) = 1 as has_won
        from contested_rows
        join landings using (connection, stream, partition_key, landing_file)
    """)


@dataclass(slots=True)
class Losers:
    """Unchanged partitions that hold rows which lost.

    Attributes:
        files: Those whose file is the loaded one still, and where it lies.
        unreadable: Those whose file is not; what is lost from them is loaded once they are healed.
    """

    files: dict[FileKey, Path] = field(default_factory=dict)
    unreadable: list[FileKey] = field(default_factory=list)

    def mark_unreadable(self, session: duckdb.DuckDBPyConnection) -> None:
        """Notes that those must be loaded again, even if the same bytes come back."""
        for key in self.unreadable:
            session.execute(
                "update internal.files set events_sha256 = '' "
                "where connection = ? and stream = ? and partition_key = ?",
                [key.connection, key.stream, key.partition],
            )


def find_losers(session: duckdb.DuckDBPyConnection, lake: Lake, inventory: Inventory, moved: set[Path]) -> Losers:
    """Finds them; none if no rows go.

    Args:
        inventory: What is about to change; takes those that can't be read as broken.
        moved: Files that are being replaced just now; these are not read.
    """
    losers = Losers()
    outgoing = {found.key for found in inventory.replaced} | set(inventory.removed)
    if not outgoing:
        return losers
    rows = session.execute(
        "select connection, stream, partition_key, manifest from internal.files where loaded < events"
    ).fetchall()
    for *names, manifest in rows:
        key = FileKey(*names)
        if key in outgoing:
            continue
        loaded = EventsManifest.model_validate_json(manifest)
        path = lake.events_file(loaded.key, loaded.partition)
        was = signature(path)
        if problem := "it was replaced during the read" if path in moved else mismatch(path, loaded.events):
            losers.unreadable.append(key)
            inventory.note_broken(BrokenFile(lake.relative(path), problem))
        else:
            losers.files[key] = path
            inventory.seen[path] = was
    return losers
