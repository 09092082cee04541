"""What people and the warehouse get to see of the ledger: never an address, a lease or anything else that is secret.

Not here: what pollers go by (`claims.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, or_, select

from journey_pipeline.exports.export import Export
from journey_pipeline.exports.ledger import Ledger
from journey_pipeline.exports.policy import ExportPolicy
from journey_pipeline.exports.states import ENDED, PENDING, TO_ASK, State
from journey_pipeline.exports.tables import exports
from journey_pipeline.model import EXPORT_COLUMNS, StreamKey, Window

OPS_COLUMNS = EXPORT_COLUMNS


def get(ledger: Ledger, export_id: int) -> Export:
    """One export.

    Raises:
        LedgerError: If there is none of that id.
    """
    with ledger.reading() as tx:
        return tx.get(export_id)


def current(ledger: Ledger, key: StreamKey, window: Window) -> Export | None:
    """The newest order whose window holds the given one, whatever its state; None if there was none."""
    query = (
        select(exports)
        .where(exports.c.connection == key.connection, exports.c.stream == key.stream, exports.c.parent_id.is_(None))
        .where(exports.c.window_start <= window.start, exports.c.window_end >= window.end)
        .where(exports.c.state != State.REPLACED)
        .order_by(exports.c.id.desc())
        .limit(1)
    )
    with ledger.reading() as tx:
        return next(iter(tx.find(query)), None)


def moved_after(ledger: Ledger, connection: str, step: int, *, most: int) -> tuple[int, list[list[Export]]]:
    """The orders that have come further since a step, whoever took them there.

    Args:
        step: The last one that is known already; 0 if none is.
        most: So many steps are looked at.

    Returns:
        The last step that was looked at; and each order as it is now: the export at the top and all that stand in
        for it, in the order of their making.
    """
    with ledger.reading() as tx:
        moves = tx.moves(connection, step, most)
        trees = [tx.tree(root_id) for root_id in dict.fromkeys(root_id for _, root_id in moves)]
    return (moves[-1][0] if moves else step), trees


def whole_order(ledger: Ledger, export: Export) -> list[Export]:
    """The export at the top and all that stand in for it, in the order of their making."""
    with ledger.reading() as tx:
        return tx.tree(export.root_id)


def pending_count(ledger: Ledger, connection: str) -> int:
    """How many exports of a connection the vendor is at, or is being asked for."""
    query = select(func.count()).where(exports.c.connection == connection, exports.c.state.in_(PENDING))
    with ledger.reading() as tx:
        return tx.count(query)


def stopped_in(ledger: Ledger, root_id: int) -> list[Export]:
    """What keeps an order from ever landing, it or its parts, until a person changes something."""
    with ledger.reading() as tx:
        return [export for export in tx.tree(root_id) if export.state is State.STOPPED]


def needing_a_person(
    ledger: Ledger, policy: ExportPolicy, *, at: datetime, connection: str | None = None
) -> list[Export]:
    """Exports that stopped, or take longer than they should: at the vendor's, or refused or unanswered till now.

    Those whose window has landed with a later order are left out: nothing is missing any more.
    """
    later = exports.alias()
    made_up_for = select(later.c.id).where(
        later.c.connection == exports.c.connection,
        later.c.stream == exports.c.stream,
        later.c.id > exports.c.root_id,
        later.c.window_start <= exports.c.window_start,
        later.c.window_end >= exports.c.window_end,
        later.c.state == State.LANDED,
    )
    waiting = and_(exports.c.state.in_(TO_ASK), exports.c.tries > 0, exports.c.wanted_at <= at - policy.overdue_after)
    late = or_(exports.c.state.in_([State.STOPPED, State.OVERDUE]), waiting)
    return _listed(ledger, select(exports).where(late, ~made_up_for.exists()), connection)


def listed(ledger: Ledger, *, connection: str | None = None, with_ended: bool = False) -> list[Export]:
    """Exports, oldest order first; those that have landed or were replaced only if asked for."""
    query = select(exports)
    return _listed(ledger, query if with_ended else query.where(exports.c.state.not_in(ENDED)), connection)


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


def _listed(ledger: Ledger, query: Any, connection: str | None) -> list[Export]:
    if connection is not None:
        query = query.where(exports.c.connection == connection)
    with ledger.reading() as tx:
        return tx.find(query.order_by(exports.c.position, exports.c.id))
