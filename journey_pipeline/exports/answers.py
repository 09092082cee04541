"""What an answer does to an export, within a transaction: whether it still counts, and where it leads.

Not here: what comes back and when it is due (`queue.py`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from journey_pipeline.errors import ExportMovedOn
from journey_pipeline.exports import orders
from journey_pipeline.exports.export import Export
from journey_pipeline.exports.ledger import Transaction
from journey_pipeline.exports.states import ENDED, Edge, Reason, State


def as_asked(tx: Transaction, export: Export) -> Export:
    """The export whose request was answered. A late answer counts, even if the request was noted as unanswered.

    Raises:
        ExportMovedOn: If it was asked for again since, or has come further.
    """
    now = tx.get(export.id)
    waits = now.state is State.WANTED and now.reason is Reason.UNANSWERED
    if now.attempt == export.attempt and (now.state is State.ASKING or waits):
        return now
    raise ExportMovedOn(f"the answer to attempt {export.attempt} came too late: {now}")


def not_ended(tx: Transaction, export_id: int, attempt: int) -> Export:
    """The export whose file is there.

    Raises:
        ExportMovedOn: If it has landed or was replaced.
    """
    now = tx.get(export_id)
    if now.state in ENDED:
        raise ExportMovedOn(f"the file of attempt {attempt} came too late: {now}")
    return now


def deliver(tx: Transaction, export: Export, *, at: datetime, **where: Any) -> Export:
    """The file is there: it is fetched next. Parts that stood in for it are no longer needed."""
    moved = tx.move(export, Edge.DELIVER, at=at, due_at=at, ready_at=at, tries=0, error=None, **where)
    if export.state is State.SPLIT:
        orders.replace(tx, orders.parts_of(tx, export), Reason.SUPERSEDED, at=at)
    return moved


def ask_again(
    tx: Transaction, export: Export, reason: Reason, *, at: datetime, due_at: datetime | None, **said: Any
) -> Export:
    """Asked for again when it is due; without such a time the ceiling is reached, and a person is needed."""
    edge = Edge.STOP if due_at is None else Edge.ASK_AGAIN
    return tx.move(export, edge, at=at, reason=reason, due_at=due_at or at, tries=0, **said, poll_address=None)
