"""The tables of the ledger of exports.

Times are stored in UTC and come back aware from both databases. Not here: their changes (`ledger.py`), and bringing an
earlier ledger to these tables (`database.py`).
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)

SCHEMA_VERSION = 3


class Instant(TypeDecorator[datetime]):
    """An aware instant. SQLite has no time zones and stores the UTC digits."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Converts a value to UTC for the database."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Converts a value of the database to an aware instant in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = MetaData()

schema = Table(
    "journey_export_schema",
    metadata,
    Column("version", Integer, primary_key=True),
    Column("fingerprint", String),  # random: by it two processes know that they use the same ledger
)

# One row a connection. A process locks it while it orders or picks, so two processes together keep a limit.
queues = Table(
    "journey_export_queues",
    metadata,
    Column("connection", String, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("held_until", Instant),
)

exports = Table(
    "journey_exports",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("vendor", String, nullable=False),
    Column("connection", String, nullable=False),
    Column("stream", String, nullable=False),
    Column("partition_key", String, nullable=False),
    Column("window_start", Instant, nullable=False),
    Column("window_end", Instant, nullable=False),
    Column("request", JSON, nullable=False),
    Column("parent_id", ForeignKey("journey_exports.id")),
    Column("root_id", Integer, nullable=False),
    Column("position", Integer, nullable=False),
    Column("state", String, nullable=False),
    Column("reason", String),
    Column("version", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("polls", Integer, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("losses", Integer, nullable=False),
    Column("vendor_export_id", Text),
    Column("poll_address", Text),  # encrypted, see `vault.py`
    Column("generation", Integer),
    Column("lease", String),
    Column("leased_until", Instant),
    Column("due_at", Instant, nullable=False),
    Column("wanted_at", Instant, nullable=False),
    Column("asked_at", Instant),
    Column("requested_at", Instant),
    Column("polled_at", Instant),
    Column("ready_at", Instant),
    Column("landed_at", Instant),
    Column("changed_at", Instant, nullable=False),
    Column("last_status", Integer),
    Column("error", Text),
    Index("journey_exports_due", "connection", "state", "due_at"),
    Index("journey_exports_root", "root_id"),
    Index("journey_exports_window", "connection", "stream", "window_start"),
    sqlite_autoincrement=True,  # an id is never reused
)

# Every change of state, in order: the history of each export, and the number of a connection's requests on a day.
transitions = Table(
    "journey_export_transitions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("export_id", ForeignKey("journey_exports.id"), nullable=False),
    Column("connection", String, nullable=False),
    Column("edge", String, nullable=False),
    Column("from_state", String, nullable=False),
    Column("to_state", String, nullable=False),
    Column("reason", String),
    Column("at", Instant, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("status", Integer),
    Column("error", Text),
    Index("journey_export_transitions_export", "export_id"),
    Index("journey_export_transitions_day", "connection", "edge", "at"),
    sqlite_autoincrement=True,
)

# Where a vendor calls: one hook for each attempt. The nonce is in its address, and here only as a hash.
hooks = Table(
    "journey_export_hooks",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("export_id", ForeignKey("journey_exports.id"), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("nonce_sha256", String, nullable=False, unique=True),
    Column("made_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False),
    Index("journey_export_hooks_export", "export_id"),
    sqlite_autoincrement=True,
)

# What vendors said on them, and the links that people gave by hand.
callbacks = Table(
    "journey_export_callbacks",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("export_id", ForeignKey("journey_exports.id"), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("at", Instant, nullable=False),
    Column("peer", String, nullable=False),
    Column("said_sha256", String, nullable=False),  # of the link's path, or of the body where there is no link
    Column("verdict", String, nullable=False),
    Column("says", Text),
    Column("ends_at", Instant, nullable=False),  # the link's end
    Column("body", Text),  # encrypted, see `vault.py`; forgotten when it is of no more use
    Index("journey_export_callbacks_export", "export_id"),
    sqlite_autoincrement=True,
)
