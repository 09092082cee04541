"""The ledger's tables, and how a row becomes an export.

Times are kept in UTC and come back aware from both databases. Not here: who makes the tables (`database.py`) and brings
earlier ones to this version (`migrations.py`), transactions (`ledger.py`), what may be shown (`listing.py`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    RowMapping,
    String,
    Table,
    Text,
    TypeDecorator,
)

from journey_pipeline.exports.export import Export
from journey_pipeline.exports.states import Reason, State
from journey_pipeline.exports.vault import Vault
from journey_pipeline.model import StreamKey, Window

SCHEMA_VERSION = 2


class Instant(TypeDecorator[datetime]):
    """An aware instant; SQLite, which knows no zones, keeps its UTC digits."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """On the way in: to UTC."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """On the way out: aware, in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = MetaData()

schema = Table("journey_export_schema", metadata, Column("version", Integer, primary_key=True))

# One row a connection. Whoever orders, or picks what to ask for, holds it: so a limit is never passed by two at a time.
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
    sqlite_autoincrement=True,  # an id that was given once is never given again
)

# Every edge that was taken, in order: what an export went through, and how often a connection was asked on a day.
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


def export_of(row: RowMapping, vault: Vault) -> Export:
    """The export that a row of `journey_exports` holds."""
    fields: dict[str, Any] = dict(row)
    sealed = fields.pop("poll_address")
    address = vault.unseal(sealed) if sealed else None
    key = StreamKey(fields.pop("vendor"), fields.pop("connection"), fields.pop("stream"))
    window = Window(fields.pop("window_start"), fields.pop("window_end"))
    partition, state, reason = fields.pop("partition_key"), State(fields.pop("state")), fields.pop("reason")
    return Export(
        key=key,
        window=window,
        partition=partition,
        state=state,
        reason=None if reason is None else Reason(reason),
        poll_address=address,
        has_unreadable_address=bool(sealed) and address is None,
        **fields,
    )
