"""What people and the warehouse get to see of the ledger: never an address, a lease or anything else that is secret.

Not here: what pollers go by (`queue.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import select

from journey_pipeline.exports.export import Export
from journey_pipeline.exports.ledger import Ledger, exports
from journey_pipeline.exports.states import ENDED, State
from journey_pipeline.model import EXPORT_COLUMNS

OPS_COLUMNS = EXPORT_COLUMNS


def listed(ledger: Ledger, *, connection: str | None = None, with_ended: bool = False) -> list[Export]:
    """Exports, oldest order first; those that have landed or were replaced only if asked for."""
    query = select(exports).order_by(exports.c.position, exports.c.id)
    if not with_ended:
        query = query.where(exports.c.state.not_in(ENDED))
    if connection is not None:
        query = query.where(exports.c.connection == connection)
    with ledger.reading() as tx:
        return tx.find(query)


def rows(found: Iterable[Export]) -> list[tuple[Any, ...]]:
    """Exports as rows of `ops.exports`, in the order of `OPS_COLUMNS`; nothing secret is in them."""
    return [
        (
            export.id,
            export.parent_id,
            export.key.vendor,
            export.key.connection,
            export.key.stream,
            export.partition,
            export.window.start,
            export.window.end,
            str(export.state),
            export.reason and str(export.reason),
            export.attempt,
            export.polls,
            export.failures,
            export.losses,
            export.vendor_export_id,
            export.wanted_at,
            export.asked_at,
            export.requested_at,
            export.polled_at,
            export.ready_at,
            export.landed_at,
            None if export.state in ENDED | {State.STOPPED, State.SPLIT} else export.due_at,
            export.last_status,
            export.error,
        )
        for export in found
    ]
