"""How exports come to be: by an order, or as parts of one that was too large; and how they are asked for once more.

Not here: asking the vendor for them (`claims.py` says whose turn it is, `answers.py` what came of it).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select

from journey_pipeline.exports.export import Export, Order, SmallerOrder, check_parts
from journey_pipeline.exports.ledger import Ledger, Transaction
from journey_pipeline.exports.states import ENDED, Edge, State
from journey_pipeline.exports.tables import exports
from journey_pipeline.model import StreamKey, Window

_ONCE_MORE: dict[str, Any] = {
    "tries": 0,
    "failures": 0,
    "losses": 0,
    "vendor_export_id": None,
    "poll_address": None,
    "generation": None,
}


def want(ledger: Ledger, order: Order, *, at: datetime, again: bool = False) -> Export:
    """Puts an order into the queue, or finds the export that is on its way for it already.

    An export is found if it asks for the same of a window that holds the order's, and has not landed: so a backfill
    that was broken off goes on with the exports that it made. One that stopped is found too, and stays stopped unless
    a person asks for it again. If its request was wrong and is now another, the new one replaces it.

    Args:
        again: Whether a person wants what had stopped to be asked for again.

    Returns:
        The export at the top; if it was split, its parts do the work (`listing.stopped_in` tells whether they can).
    """
    with ledger.writing() as tx:
        tx.lock_queue(order.key.connection)
        for root in _under_way(tx, order.key, order.window):
            tree = tx.tree(root.root_id)
            stopped = [export for export in tree if export.state is State.STOPPED]
            if root.request == order.request:
                if again and stopped:
                    for export in stopped:
                        tx.move(export, Edge.REOPEN, at=at, due_at=at, **_ONCE_MORE)
                    return tx.get(root.id)
                return root
            if stopped and root.window == order.window:
                _replace(tx, tree, at)
        return tx.add(_new(order, position=tx.next_position(order.key.connection), at=at))


def split(ledger: Ledger, export: Export, parts: Sequence[SmallerOrder], *, at: datetime) -> list[Export]:
    """Lets smaller exports stand in for one that was too large. They take its place in the queue and land together.

    Args:
        export: As it was claimed, or as it stopped or failed.
        parts: What to ask for instead: all of its window, each smaller than the whole. Where parts share a window, it
            is the caller's to see that their requests make up the whole.

    Raises:
        ConfigError: If the parts leave a time out, or one is as large as the whole.
        ExportMovedOn: If the export is no longer as it was read.
    """
    check_parts(export, tuple(parts))
    with ledger.writing() as tx:
        gone = tx.move(export, Edge.SPLIT, at=at, due_at=at, poll_address=None)
        return [
            tx.add(
                _new(Order(gone.key, gone.partition, part.window, part.request), position=gone.position, at=at)
                | {"parent_id": gone.id, "root_id": gone.root_id}
            )
            for part in parts
        ]


def give_up(ledger: Ledger, export_id: int, *, at: datetime) -> Export:
    """Ends an order that the vendor will never make, with all its parts: whoever next wants its window orders it anew.

    Args:
        export_id: The export at the top or any part.

    Returns:
        The export at the top.

    Raises:
        LedgerError: If there is none of that id, or it has ended already.
    """
    with ledger.writing() as tx:
        root_id = tx.get(export_id).root_id
        tx.lock_queue(tx.get(root_id).key.connection)
        _replace(tx, tx.tree(root_id), at)
        return tx.get(root_id)


def _replace(tx: Transaction, tree: Sequence[Export], at: datetime) -> None:
    for export in tree:
        tx.move(export, Edge.REPLACE, at=at, poll_address=None)


def _under_way(tx: Transaction, key: StreamKey, window: Window) -> list[Export]:
    query = (
        select(exports)
        .where(exports.c.connection == key.connection, exports.c.stream == key.stream, exports.c.parent_id.is_(None))
        .where(exports.c.window_start <= window.start, exports.c.window_end >= window.end)
        .where(exports.c.state.not_in(ENDED))
        .order_by(exports.c.id.desc())
    )
    return tx.find(query)


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
