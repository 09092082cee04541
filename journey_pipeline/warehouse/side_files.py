"""Loads the lake's files other than events: rejects, attributes, dimensions, what sweeps found, the listing of exports.

Not here: events (`merge.py`).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import duckdb

from journey_pipeline.errors import LakeError
from journey_pipeline.files import sha256_of
from journey_pipeline.lake.documents import DriftReport, ExportListing, is_report
from journey_pipeline.lake.layout import Lake
from journey_pipeline.sql import literal
from journey_pipeline.warehouse.connection import WarehouseSettings, describe, number_of
from journey_pipeline.warehouse.file_checks import parquet
from journey_pipeline.warehouse.inventory import BrokenFile
from journey_pipeline.warehouse.loaded import FileKey, columns_of
from journey_pipeline.warehouse.removal import withhold
from journey_pipeline.warehouse.schema import EXPORTS, KEYS, LISTED, MAPPING
from journey_pipeline.warehouse.table import Table

_KEY = ("connection", "stream", "partition_key")


def load_beside(
    session: duckdb.DuckDBPyConnection, table: Table, outgoing: Sequence[FileKey], incoming: Mapping[Path, FileKey]
) -> bool:
    """Takes the rows of some partitions out of a table and loads those of others; inside the caller's transaction.

    Args:
        table: Their table; its rows say which partition they are of.
        incoming: The files to load, and whose they are.

    Returns:
        Whether any rows went or came.
    """
    gone = 0
    if outgoing:
        which = "select unnest(?), unnest(?), unnest(?)"
        gone = number_of(
            session, f"delete from {table.name} where ({', '.join(_KEY)}) in ({which})", columns_of(outgoing)
        )
    if not incoming:
        return bool(gone)
    session.execute("create or replace temp table beside (path varchar, c varchar, s varchar, p varchar)")
    session.executemany(
        "insert into beside values (?, ?, ?, ?)",
        [(str(path), key.connection, key.stream, key.partition) for path, key in incoming.items()],
    )
    columns = ", ".join(column.name for column in table.columns if column.name not in _KEY)
    come = number_of(
        session,
        f"""
        insert into {table.name} by name
        select
            {columns},
            c as connection,
            s as stream,
            p as partition_key
        from {parquet(incoming, ", filename = true")}
        join beside on path = filename
        """,
    )
    return bool(gone or come)


log = logging.getLogger(__name__)

_CORRECT = "write a header `contact_id,email` and a line for each person, and sync again"
_LIST_AGAIN = "list it again with `journey-pipeline backfill {connection}`"


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
    for path, connection, dimension in _listed_files(lake):
        found.add((connection, dimension))
        digest = sha256_of(path)
        if loaded.get((connection, dimension)) == digest:
            continue
        staged = f"listed_{len(changes)}"
        problem = _stage(session, path, connection, dimension, staged)
        if not problem and dimension != MAPPING and _is_copy(session, path):
            problem = "it lists entries of another connection"
            if (connection, dimension) not in loaded:
                log.warning("%s is a copy of another connection's file and is ignored", lake.relative(path))
                continue
        if problem:
            heal = _CORRECT if dimension == MAPPING else _LIST_AGAIN.format(connection=connection)
            broken.append(BrokenFile(lake.relative(path), problem, heal))
        else:
            changes.append(ListedChange(connection, dimension, digest, staged))
            if dimension == MAPPING and not (lake.events_root / connection).is_dir():
                log.warning("%s is of no use yet: no connection of its name has events", lake.relative(path))
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


def _listed_files(lake: Lake) -> Iterator[tuple[Path, str, str]]:
    """The files of the vendors' lists and of addresses, each with its connection and dimension."""
    for path in sorted(lake.dimensions_root.glob("*/*.parquet")):
        if path.stem in LISTED and path.is_file():  # what else lies there is not ours
            yield path, path.parent.name, path.stem
    for path in sorted(lake.contacts_root.glob("*.csv")):
        yield path, path.stem, MAPPING


def _stage(session: duckdb.DuckDBPyConnection, path: Path, connection: str, dimension: str, staged: str) -> str:
    """Reads one file; gives what is wrong with it, or nothing."""
    table = LISTED[dimension]
    source = parquet([path])
    if dimension == MAPPING:
        source = f"read_csv({literal(str(path))}, all_varchar = true, header = true, delim = ',', quote = '\"')"
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
    return bool(number_of(session, others))


def _typed(table: Table, connection: str) -> str:
    # The folder says which connection it is, so that one connection's file never touches another's rows.
    # Tables name the vendor's other fields so that a join with events leaves no doubt which properties are meant.
    return ", ".join(
        f"{literal(connection)} as connection"
        if column.name == "connection"
        else f"{column.name.removeprefix('listed_')}::{column.type} as {column.name}"
        for column in table.columns
    )


_REMOVE_IT = "remove it: the next sweep writes another"


@dataclass(frozen=True, slots=True)
class ReportsChange:
    """Reports that are new, with their text, and reports that are gone; by their path below the home."""

    added: dict[str, str]
    gone: list[str]

    @property
    def is_empty(self) -> bool:
        """Whether nothing changed."""
        return not self.added and not self.gone


def find_reports(
    session: duckdb.DuckDBPyConnection, lake: Lake, settings: WarehouseSettings, broken: list[BrokenFile]
) -> ReportsChange:
    """Looks which reports are not loaded yet, or no longer there.

    Args:
        settings: How much may go because it is not in the lake any more.
        broken: Takes the reports that can't be read, and what stays though it is gone.
    """
    loaded = {str(path) for (path,) in session.execute("select path from internal.drift_reports").fetchall()}
    found = {lake.relative(path): path for path in lake.drift_root.glob("*/*/*.json") if is_report(path)}
    added = {}
    for name in sorted(found.keys() - loaded):
        try:
            report = DriftReport.read(found[name])
        except LakeError:
            broken.append(BrokenFile(name, "it is not a report of a sweep", _REMOVE_IT))
            continue
        if report and (report.connection, report.stream) == found[name].parts[-3:-1]:  # else it is a copy
            added[name] = report.model_dump_json()
    gone: list[str] = []
    for folder, names in groupby(sorted(loaded - found.keys()), _folder):
        lacking = list(names)
        if not withhold(folder, lacking, sum(_folder(name) == folder for name in loaded), settings, broken):
            gone += lacking
    return ReportsChange(added, gone)


def _folder(report: str) -> str:
    return report.rpartition("/")[0]


def load_reports(session: duckdb.DuckDBPyConnection, change: ReportsChange) -> None:
    """Loads the new reports and takes out those that are gone; inside the caller's transaction."""
    if change.gone:
        session.executemany("delete from internal.drift_reports where path = ?", [[path] for path in change.gone])
    if change.added:
        session.executemany("insert into internal.drift_reports values (?, ?)", list(change.added.items()))


_SYNC_AGAIN = "the next sync writes it again"
_STAGED = "staged_exports"


def stage_exports(
    session: duckdb.DuckDBPyConnection, lake: Lake, settings: WarehouseSettings, broken: list[BrokenFile]
) -> bool:
    """Reads the listing into a temporary table.

    Args:
        settings: How much may go because it is not in the lake any more.
        broken: Takes the listing if it can't be used, or lacks too much; what was loaded of it stays.

    Returns:
        Whether it differs from what is loaded.
    """
    name = lake.relative(lake.export_listing)
    try:
        listing = ExportListing.read(lake.export_listing) or ExportListing()
    except LakeError:
        broken.append(BrokenFile(name, "it is not a listing of exports", _SYNC_AGAIN))
        return False
    loaded = number_of(session, f"select count(*) from {EXPORTS.name}")
    if not (listing.exports or loaded):
        return False
    columns = ", ".join(f"(export ->> '{column.name}')::{column.type} as {column.name}" for column in EXPORTS.columns)
    try:
        session.execute(
            f"create or replace temp table {_STAGED} as select {columns} "
            "from (select unnest(from_json(?::json, '[\"json\"]')) as export)",
            [json.dumps(listing.exports)],
        )
    except duckdb.Error as error:
        broken.append(BrokenFile(name, f"it can't be read as a listing of exports ({describe(error)})", _SYNC_AGAIN))
        return False
    held, staged = EXPORTS.name, _STAGED
    gone = session.execute(f"select export_id from {held} anti join {staged} using (export_id)").fetchall()
    if withhold(name, gone, loaded, settings, broken):
        return False
    differs = f"(from {staged} except all from {held}) union all (from {held} except all from {staged})"
    return bool(number_of(session, f"select exists (from ({differs}))"))


def load_exports(session: duckdb.DuckDBPyConnection) -> None:
    """Puts the staged listing in the place of what was loaded; inside the caller's transaction."""
    session.execute(f"delete from {EXPORTS.name}")
    session.execute(f"insert into {EXPORTS.name} from {_STAGED}")
