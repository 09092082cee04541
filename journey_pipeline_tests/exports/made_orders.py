"""Orders and exports for the tests of the ledger, and short ways through its states."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select

from journey_pipeline.exports.export import AT_VENDOR, Edge, Export, Order, State
from journey_pipeline.exports.ledger import Ledger, Transaction, transitions
from journey_pipeline.exports.orders import deliver_link
from journey_pipeline.exports.policy import Backoff, ExportPolicy
from journey_pipeline.exports.queue import Queue
from journey_pipeline.exports.turns import listed
from journey_pipeline.model import StreamKey, Window

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 1, tzinfo=UTC)
SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
PROFILES = StreamKey("apsis", "apsis", "profile_events")
EMAILS = StreamKey("apsis", "apsis", "email_events")
POLICY = ExportPolicy()
STEADY = ExportPolicy(polling=Backoff(MINUTE, MINUTE, 0), refusal=Backoff(MINUTE, MINUTE, 0))
ADDRESS = "https://api.apsis.example/exports/ex-1?sig=s3cr3t"


def order(day: int = 0, *, days: int = 1, key: StreamKey = PROFILES, **request: Any) -> Order:
    window = Window(MIDNIGHT + day * DAY, MIDNIGHT + (day + days) * DAY)
    return Order(key, window.start.strftime("%Y-%m-%d"), window, request or {"sections": ["main"]})


def steps(tx: Transaction, export_id: int) -> list[tuple[Edge, State, State, datetime]]:
    """The edges that an export has taken, oldest first: edge, from, to, when."""
    query = select(transitions).where(transitions.c.export_id == export_id).order_by(transitions.c.id)
    return [(Edge(row["edge"]), State(row["from_state"]), State(row["to_state"]), row["at"]) for row in tx.rows(query)]


def queue(
    ledger: Ledger,
    at: datetime = NOW,
    *,
    policy: ExportPolicy = POLICY,
    connection: str = "apsis",
    streams: Mapping[str, timedelta] | None = None,
) -> Queue:
    """The queue at an instant."""
    return Queue(connection, ledger, policy, lambda: at, streams or {})


def delivered(queue: Queue, export_id: int, attempt: int, address: str) -> Export:
    """The file of an attempt can be fetched from an address.

    Raises:
        ExportMovedOn: If the export has ended.
    """
    with queue.ledger.writing() as tx:
        return deliver_link(tx, tx.get(export_id), attempt, address, at=queue.now())


def export_of(ledger: Ledger, export_id: int) -> Export:
    """One export as it is now."""
    with ledger.reading() as tx:
        return tx.get(export_id)


def pending_count(ledger: Ledger) -> int:
    """How many exports the vendor is at, or is being asked for."""
    return sum(export.state in AT_VENDOR for export in listed(ledger))


def stopped_in(ledger: Ledger, root_id: int) -> list[Export]:
    """What keeps an order from ever landing, it or its parts."""
    return [export for export in queue(ledger).tree(root_id) if export.state is State.STOPPED]


def claimed(ledger: Ledger, *, at: datetime = NOW, policy: ExportPolicy = POLICY) -> Export:
    """The export whose turn it is to be asked for."""
    export = queue(ledger, at, policy=policy).next_to_ask()
    assert export is not None
    return export


def polled(ledger: Ledger, *, at: datetime = NOW + 5 * MINUTE, policy: ExportPolicy = POLICY) -> Export:
    """The export whose turn it is to be polled."""
    export = queue(ledger, at, policy=policy).next_to_look()
    assert export is not None
    return export


def wanted(ledger: Ledger, day: int = 0, *, at: datetime = NOW, **kwargs: Any) -> Export:
    return queue(ledger, at).want(order(day, **kwargs))


def requested(ledger: Ledger, *, at: datetime = NOW, policy: ExportPolicy = POLICY) -> Export:
    """The next one in the queue, taken on by the vendor."""
    asked = claimed(ledger, at=at, policy=policy)
    return queue(ledger, at, policy=policy).asked(
        asked, vendor_export_id=f"ex-{asked.id}", poll_address=ADDRESS, status=202
    )


def made_ready(ledger: Ledger, *, at: datetime = NOW) -> Export:
    """The next one in the queue, ready to be fetched."""
    requested(ledger, at=at)
    return queue(ledger, at + 5 * MINUTE).ready(polled(ledger, at=at + 5 * MINUTE), status=200)
