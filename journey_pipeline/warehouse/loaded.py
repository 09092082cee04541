"""The lake's files that are loaded: `internal.files`, read and written.

Only the columns are read for all files that tell an unchanged one; the rest is looked up for files that differ, so that
a sync's cost hardly grows with the lake. Not here: comparing with the lake (`inventory.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import duckdb

from journey_pipeline.warehouse.schema import TOLD

KEY = "connection, stream, partition_key"
MANIFEST, EVENTS = ".json", ".parquet"

_GIVEN = (
    *("connection", "stream", "partition_key", "manifest_sha256", "manifest_signature", "manifest", "events_sha256"),
    *("events", "loaded", "first_at", "last_at"),
)


class FileKey(NamedTuple):
    """Names a partition's events file, and the rows that came from it."""

    connection: str
    stream: str
    partition: str


class LoadedFile(NamedTuple):
    """A row of `internal.files`, as far as comparing needs it."""

    manifest_sha256: str
    manifest_signature: str
    events_sha256: str


@dataclass(frozen=True, slots=True)
class LoadedStream:
    """The signatures of a stream's loaded files.

    Attributes:
        manifests: Their manifests' signatures, by name; empty of those that must be read.
        events: Their files' sizes, by name.
    """

    manifests: Mapping[str, str]
    events: Mapping[str, str]

    @classmethod
    def parse(cls, lines: str) -> LoadedStream:
        """From lines with size, signature and partition."""
        manifests, events = {}, {}
        for line in lines.split("\n"):
            size, manifest_signature, partition = line.split(" ", 2)
            manifests[partition + MANIFEST] = manifest_signature
            events[partition + EVENTS] = size
        return cls(manifests, events)


NOTHING = LoadedStream({}, {})


@dataclass(frozen=True, slots=True)
class Loaded:
    """The loaded files."""

    session: duckdb.DuckDBPyConnection
    streams: Mapping[tuple[str, str], LoadedStream]

    @classmethod
    def read(cls, session: duckdb.DuckDBPyConnection) -> Loaded:
        """From a warehouse. One text of all rows takes a tenth of the time that rows take."""
        rows = session.execute("""
            select
                connection,
                stream,
                string_agg(
                    concat(events_bytes, ' ', if(events_sha256 <> '', manifest_signature, ''), ' ', partition_key), '\n'
                )
            from internal.files
            group by all
        """).fetchall()
        return cls(session, {(connection, stream): LoadedStream.parse(lines) for connection, stream, lines in rows})

    def __len__(self) -> int:
        """How many files."""
        return sum(len(stream.events) for stream in self.streams.values())

    @property
    def keys(self) -> list[FileKey]:
        """All of them."""
        return [FileKey(*stream, partition) for stream in self.streams for partition in self.partitions(*stream)]

    def partitions(self, connection: str, stream: str) -> set[str]:
        """The loaded partitions of a stream."""
        return {name.removesuffix(EVENTS) for name in self.streams.get((connection, stream), NOTHING).events}

    def look_up(self, keys: Sequence[FileKey]) -> dict[FileKey, LoadedFile]:
        """More of some files; those that are not loaded are left out."""
        these = ", ".join(f"unnest(?) as {name}" for name in KEY.split(", "))
        rows = self.session.execute(
            f"select {KEY}, {', '.join(LoadedFile._fields)} from internal.files "
            f"semi join (select {these}) using ({KEY})",
            columns_of(keys),
        ).fetchall()
        return {FileKey(*row[:3]): LoadedFile(*row[3:]) for row in rows}


def columns_of(rows: Iterable[Sequence[object]]) -> list[list[object]]:
    """Rows as columns, to be unnested: a statement for each row takes a millisecond for each."""
    return [list(column) for column in zip(*rows, strict=True)]


def note_loaded(session: duckdb.DuckDBPyConnection, rows: Sequence[tuple[object, ...]]) -> None:
    """Takes note of files that are loaded now.

    Args:
        rows: The columns of `internal.files` up to `last_at`, but for what is told of the manifest.
    """
    if rows:
        given = ", ".join(f"unnest(?) as {name}" for name in _GIVEN)
        told = ", ".join(f"{expression} as {name}" for name, (_, _, expression) in TOLD.items())
        session.execute(
            f"insert into internal.files by name select *, {told} "
            f"from (select * replace (manifest::json as manifest) from (select {given}))",
            columns_of(rows),
        )


def forget_loaded(session: duckdb.DuckDBPyConnection, files: str) -> None:
    """Takes the files of a relation out."""
    session.execute(f"delete from internal.files where ({KEY}) in (select ({KEY}) from {files})")


def recount(session: duckdb.DuckDBPyConnection, rows: str, sign: str) -> None:
    """Adds a relation's rows to their files' counts of loaded rows, or takes them from these."""
    session.execute(f"create or replace temp table moved as select {KEY}, count(*) as rows from {rows} group by all")
    session.execute(f"""
        update internal.files as files
        set loaded = loaded {sign} moved.rows
        from moved
        where files.connection = moved.connection
            and files.stream = moved.stream
            and files.partition_key = moved.partition_key
    """)


def restate(session: duckdb.DuckDBPyConnection, key: FileKey, digest: str, signature: str, manifest: str) -> None:
    """Takes note of another manifest of the same events."""
    where = "where connection = ? and stream = ? and partition_key = ?"
    session.execute(
        f"update internal.files set manifest_sha256 = ?, manifest_signature = ?, manifest = ? {where}",
        [digest, signature, manifest, *key],
    )
    session.execute(
        f"update internal.files set {', '.join(f'{name} = {sql}' for name, (_, _, sql) in TOLD.items())} {where}",
        [*key],
    )


def note_signatures(session: duckdb.DuckDBPyConnection, touched: Mapping[FileKey, str]) -> None:
    """Remembers manifests that are another file with the same content: no change of what is loaded."""
    if touched:
        session.execute(
            """
            update internal.files as files
            set manifest_signature = touched.signature
            from (
                select unnest(?) as connection, unnest(?) as stream, unnest(?) as partition_key, unnest(?) as signature
            ) as touched
            where files.connection = touched.connection
                and files.stream = touched.stream
                and files.partition_key = touched.partition_key
            """,
            columns_of((*key, signature) for key, signature in touched.items()),
        )
