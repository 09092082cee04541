"""A lake made for tests, real Parquet and real manifests, and what a plain Python program says the warehouse must hold.

Not here: how the real lake is made (`journey_pipeline/lake`).
"""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from journey_pipeline.files import replacing
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import EventsManifest, ParquetFile
from journey_pipeline.model import EVENT_COLUMNS, Column, StreamKey, partition_window
from journey_pipeline.sql import literal
from journey_pipeline.warehouse.connection import warehouse_file
from journey_pipeline.warehouse.schema import REJECTS
from journey_pipeline_tests.reading import SESSION, opened

SFMC = StreamKey("sfmc", "sfmc", "journey_history")
INSIDER = StreamKey("insider", "insider", "user_events")
MIDNIGHT = datetime(2026, 11, 1, tzinfo=UTC)
COLUMNS = [column.name for column in EVENT_COLUMNS]


@dataclass(frozen=True)
class Event:
    """One event, as far as tests want to choose; the rest follows."""

    key: int
    at: datetime = MIDNIGHT + timedelta(hours=5)
    attempt: str = "20261101T060000Z-aa"
    part: int = 0
    row: int = 1
    contact: str = "C-1"
    journey: str | None = "J-1"
    journey_name: str | None = "Welcome"
    activity: str | None = "A-1"
    activity_name: str | None = "First mail"
    activity_type: str | None = None
    following: str | None = None
    action: str = "send"
    is_test: bool | None = False
    received: datetime | None = None
    email: str | None = None

    def columns(self, stream: StreamKey, partition: str) -> dict[str, Any]:
        """The canonical row."""
        return dict.fromkeys(COLUMNS) | {
            "event_key": uuid.UUID(hashlib.md5(str(self.key).encode(), usedforsecurity=False).hexdigest()),
            "vendor": stream.vendor,
            "connection": stream.connection,
            "stream": stream.stream,
            "occurred_at": self.at,
            "occurred_on": self.at.astimezone(UTC).date(),
            "received_at": self.received,
            "contact_id": self.contact,
            "email": self.email,
            "journey_id": self.journey,
            "journey_name": self.journey_name,
            "journey_version": "3" if self.journey else None,
            "activity_id": self.activity,
            "activity_name": self.activity_name,
            "activity_type": self.activity_type,
            "next_activity_id": self.following,
            "channel": "email",
            "action": self.action,
            "is_test": self.is_test,
            "properties": json.dumps({"key": self.key}),
            "partition_key": partition,
            "landing_file": f"{partition}/{self.attempt}/part-{self.part}.csv.gz",
            "landing_row": self.row,
        }


def events(keys: Iterable[int], **same: Any) -> list[Event]:
    """Events with these keys, numbered as in one landed file."""
    return [Event(key, row=number, **same) for number, key in enumerate(keys, 1)]


class MadeLake:
    """A lake whose files a test puts and removes, and the truth about them."""

    def __init__(self, home: Path) -> None:
        self.lake = Lake(home)
        self.files: dict[tuple[StreamKey, str], list[Event]] = {}

    def copied(self, home: Path) -> MadeLake:
        """The same lake and warehouse in a home of their own: to copy them takes a tenth of making them."""
        shutil.copytree(self.lake.home, home)
        copy = MadeLake(home)
        copy.files = dict(self.files)
        return copy

    def put(
        self,
        partition: str,
        rows: list[Event],
        stream: StreamKey = SFMC,
        rejects: int = 0,
        **manifest: Any,
    ) -> EventsManifest:
        """Puts a partition's files in place: rejects, events, manifest."""
        file = self.lake.events_file(stream, partition)
        write_parquet(file, EVENT_COLUMNS, [row.columns(stream, partition) for row in rows])
        rejects_file = self.lake.rejects_file(stream, partition)
        if rejects:
            write_parquet(rejects_file, REJECTS.columns, [_reject(stream, partition, n) for n in range(rejects)])
        window = partition_window(partition)
        made = EventsManifest(
            vendor=stream.vendor,
            connection=stream.connection,
            stream=stream.stream,
            partition=partition,
            window=str(window),
            attempts=tuple(sorted({row.attempt for row in rows})),
            recipe="r1",
            package_version="0.1.0",
            landed_at=window.end,
            events=vouch(file, len(rows)),
            rejects=vouch(rejects_file, rejects) if rejects else None,
            landed=len(rows) + rejects,
        ).model_copy(update=manifest)
        made.write(self.lake.events_manifest(stream, partition))
        self.files[stream, partition] = rows
        return made

    def remove(self, partition: str, stream: StreamKey = SFMC) -> None:
        """Takes a partition out of the lake."""
        self.lake.events_manifest(stream, partition).unlink()
        self.lake.events_file(stream, partition).unlink()
        del self.files[stream, partition]

    def put_dimension(self, name: str, rows: list[dict[str, Any]], connection: str = "sfmc") -> Path:
        """Puts a dimension's file in place."""
        file = self.lake.dimension_file(connection, name)
        columns = DIMENSIONS[name]
        empty = dict.fromkeys((column.name for column in columns), None) | {"connection": connection}
        write_parquet(file, columns, [empty | row for row in rows])
        return file

    def winners(self) -> dict[uuid.UUID, dict[str, Any]]:
        """What the warehouse must hold: of each key the row of the greatest rank, by key."""
        ranked = sorted(
            (row.columns(stream, partition) for (stream, partition), rows in self.files.items() for row in rows),
            key=lambda row: (
                row["landing_file"].split("/")[1],
                row["partition_key"],
                row["landing_file"],
                row["landing_row"],
                row["connection"],
                row["stream"],
            ),
        )
        return {row["event_key"]: row for row in ranked}

    def daily(self) -> dict[tuple[Any, ...], tuple[int, int]]:
        """What `marts.journey_daily` must hold: events and contacts by its key."""
        return self.count(self.winners().values())

    def count(self, rows: Iterable[dict[str, Any]]) -> dict[tuple[Any, ...], tuple[int, int]]:
        """Events and contacts of some rows, tests left out, by the key of `marts.journey_daily`."""
        groups: dict[tuple[Any, ...], list[str]] = {}
        for row in rows:
            if not row["is_test"]:
                key = tuple(row[name] for name in DAILY_KEY)
                groups.setdefault(key, []).append(row["contact_id"])
        return {key: (len(contacts), len(set(contacts))) for key, contacts in groups.items()}


DAILY_KEY = ("occurred_on", "connection", "journey_id", "activity_id", "channel", "action")


def _listed(texts: str, **others: str) -> tuple[Column, ...]:
    columns = [Column(name, "VARCHAR", "") for name in texts.split()]
    columns += [Column(name, kind, "") for name, kind in others.items()]
    seen = [Column(name, "TIMESTAMPTZ", "") for name in ("first_seen_at", "last_seen_at")]
    return (*columns, Column("properties", "JSON", ""), *seen)


DIMENSIONS = {
    "journeys": _listed(
        "connection journey_id journey_root_id journey_key journey_name description status definition_type channel",
        version="BIGINT",
        created_at="TIMESTAMP",
        modified_at="TIMESTAMP",
        published_at="TIMESTAMP",
    ),
    "activities": _listed(
        "connection activity_id journey_id activity_key activity_name activity_type", outcomes="JSON"
    ),
}


def _reject(stream: StreamKey, partition: str, number: int) -> dict[str, Any]:
    row = replace(Event(0), row=number + 1).columns(stream, partition)
    return {column.name: row.get(column.name) for column in REJECTS.columns} | {
        "event_key": None,
        "occurred_at": None,
        "occurred_on": None,
        "raw": f"a;broken;{number}",
        "reason": "unreadable time",
    }


def write_parquet(file: Path, columns: Iterable[Column], rows: list[dict[str, Any]]) -> None:
    """Writes rows as a Parquet file of exactly these columns."""
    columns = list(columns)
    typed = ", ".join(f"{column.name} {column.type}" for column in columns)
    SESSION.execute(f"create or replace table made ({typed})")
    if rows:
        marks = ", ".join(["(" + ", ".join("?" * len(columns)) + ")"] * len(rows))
        SESSION.execute(f"insert into made values {marks}", [row[c.name] for row in rows for c in columns])
    with replacing(file) as temporary:
        SESSION.execute(f"copy made to {literal(str(temporary))} (format parquet, compression zstd)")


def vouch(file: Path, rows: int) -> ParquetFile:
    """What a manifest says of a file."""
    content = file.read_bytes()
    return ParquetFile(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content), rows=rows)


def rows_of(file: Path, sql: str) -> list[tuple[Any, ...]]:
    """What a query gives on a warehouse's file."""
    with opened(file) as session:
        return session.execute(sql).fetchall()


_SHOWN: list[tuple[object, dict[str, list[tuple[Any, ...]]]]] = []
"""What lay in the tables at the last dump, and what their views showed: they show the same of the same."""


def dump(lake: Lake) -> dict[str, list[tuple[Any, ...]]]:
    """Every table and view of the writer's file but its own state and what it remembers of manifests' files, sorted."""
    with opened(warehouse_file(lake)) as session:
        names = session.execute("select schema_name || '.' || table_name from duckdb_tables() order by all").fetchall()
        views = session.execute(
            "select schema_name || '.' || view_name, sql from duckdb_views() where not internal order by all"
        ).fetchall()
        tables = {name: _rows(session, name) for (name,) in names}
        if not _SHOWN or _SHOWN[0][0] != (tables, views):
            _SHOWN[:] = [((tables, views), {name: _rows(session, name) for name, _ in views})]
        kept = tables | _SHOWN[0][1] | {"internal.files": _rows(session, "internal.files", "manifest_signature")}
    del kept["internal.state"]
    return {name: sorted(rows, key=repr) for name, rows in kept.items()}


def _rows(session: duckdb.DuckDBPyConnection, name: str, but: str = "") -> list[tuple[Any, ...]]:
    return session.execute(f"select *{f' exclude ({but})' if but else ''} from {name}").fetchall()


def held_events(lake: Lake) -> dict[uuid.UUID, dict[str, Any]]:
    """The warehouse's events by key; fails if a key is there twice."""
    rows = rows_of(warehouse_file(lake), f"select {', '.join(COLUMNS)} from core.journey_events")
    held = {row[0]: dict(zip(COLUMNS, row, strict=True)) for row in rows}
    assert len(held) == len(rows)
    return held


def held_daily(lake: Lake) -> dict[tuple[Any, ...], tuple[int, int]]:
    """`marts.journey_daily` as the model gives it."""
    rows = rows_of(warehouse_file(lake), f"select {', '.join(DAILY_KEY)}, events, contacts from marts.journey_daily")
    return {row[:-2]: row[-2:] for row in rows}


def assert_is_as_in_the_model(made: MadeLake) -> None:
    """Holds the writer's file against what plain Python says."""
    winners = made.winners()
    assert held_events(made.lake) == winners
    assert held_daily(made.lake) == made.daily()
    loaded = rows_of(
        warehouse_file(made.lake),
        "select connection, stream, partition_key, events, loaded from ops.partitions where covered_by is null",
    )
    assert sorted(loaded) == sorted(
        (
            *(stream.connection, stream.stream, partition, len(rows)),
            sum(
                (row["connection"], row["stream"], row["partition_key"])
                == (stream.connection, stream.stream, partition)
                for row in winners.values()
            ),
        )
        for (stream, partition), rows in made.files.items()
    )


def day(text: str) -> date:
    """A date."""
    return date.fromisoformat(text)
