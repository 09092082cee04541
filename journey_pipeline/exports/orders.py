"""How exports come to be: by an order, or as parts of one that was too large; and how they are replaced.

Each within a transaction that holds the connection's queue, or the export. Not here: asking the vendor (`queue.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from journey_pipeline.exports import turns
from journey_pipeline.exports.export import Export, Order, SmallerOrder, check_parts
from journey_pipeline.exports.ledger import Ledger, Transaction
from journey_pipeline.exports.states import ENDED, Edge, State
from journey_pipeline.exports.tables import exports

_ANEW: dict[str, Any] = {
    **dict.fromkeys(("tries", "failures", "losses"), 0),
    **dict.fromkeys(("vendor_export_id", "poll_address", "generation")),
}


def want(tx: Transaction, order: Order, *, at: datetime, again: bool) -> Export:
    """As `Queue.want` says."""
    for root in tx.find(turns.under_way(order.key, order.window).where(exports.c.state.not_in(ENDED))):
        tree = tx.tree(root.id)
        stopped = [export for export in tree if export.state is State.STOPPED]
        if root.request == order.request:
            for export in stopped if again else ():
                tx.move(export, Edge.REOPEN, at=at, due_at=at, **_ANEW)
            return tx.get(root.id)
        if stopped and root.window == order.window:
            _replace(tx, tree, at)
    return tx.add(_new(order, position=tx.next_position(order.key.connection), at=at))


def split(tx: Transaction, export: Export, parts: tuple[SmallerOrder, ...], *, at: datetime) -> list[Export]:
    """As `Queue.split` says."""
    check_parts(export, parts)
    gone = tx.move(export, Edge.SPLIT, at=at, due_at=at, poll_address=None)
    below = {"parent_id": gone.id, "root_id": gone.root_id}
    orders = [Order(gone.key, gone.partition, part.window, part.request) for part in parts]
    return [tx.add(_new(order, position=gone.position, at=at) | below) for order in orders]


def give_up(ledger: Ledger, export_id: int, *, at: datetime) -> Export:
    """Ends an order that the vendor will never make, with all its parts: who next wants its window orders it anew.

    Args:
        ledger: Where it is kept.
        export_id: The export at the top or any part.
        at: Now.

    Returns:
        The export at the top.

    Raises:
        LedgerError: If there is none of that id, or it has ended already.
    """
    with ledger.writing() as tx:
        found = tx.get(export_id)
        tx.lock_queue(found.key.connection)
        _replace(tx, tx.tree(found.root_id), at)
        return tx.get(found.root_id)


def _replace(tx: Transaction, tree: Sequence[Export], at: datetime) -> None:
    for export in tree:
        tx.move(export, Edge.REPLACE, at=at, poll_address=None)


def _new(order: Order, *, position: int, at: datetime) -> dict[str, Any]:
    return {
        "vendor": order.key.vendor,
        "connection": order.key.connection,
        "stream": order.key.stream,
        "partition_key": order.partition,
        "window_start": order.window.start,
        "window_end": order.window.end,
        "request": dict(order.request),
        "position": position,
        "state": State.WANTED,
        "due_at": at,
        "wanted_at": at,
        "changed_at": at,
    }
