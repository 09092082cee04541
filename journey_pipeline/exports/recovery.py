"""Frees what a killed process or a wrong clock has left in the queue.

Not here: leases that run out by themselves (`turns.py`).
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import and_, select

from journey_pipeline.exports import turns
from journey_pipeline.exports.export import Export
from journey_pipeline.exports.ledger import exports
from journey_pipeline.exports.queue import Queue
from journey_pipeline.exports.states import ENDED
from journey_pipeline.processes import is_dead

_CLOCKS_DIFFER = timedelta(hours=1)  # of machines that share a ledger, at most


def end_leases_of_the_dead(queue: Queue) -> list[Export]:
    """Ends what processes held that were killed on this machine, and gives it."""
    at = queue.now()
    held = select(exports).where(turns.mine(queue.connection), exports.c.leased_until > at)
    with queue.ledger.reading() as tx:
        orphans = [export for export in tx.find(held) if is_dead((export.lease or "").partition("/")[2])]
    with queue.ledger.writing() as tx:
        # The lease itself stays, and only its time is over: what was being asked for is then noted as unanswered.
        return [export for export in orphans if tx.set_lease(export, leased_until=at)]


def bring_back_from_future(queue: Queue) -> list[Export]:
    """Makes due what a clock that was ahead has put off, and gives it: its waits would last until that time comes."""
    at = queue.now()
    written_ahead = and_(exports.c.changed_at > at + _CLOCKS_DIFFER, exports.c.state.not_in(ENDED))
    with queue.ledger.writing() as tx:
        ahead = tx.find(select(exports).where(turns.mine(queue.connection), written_ahead).with_for_update())
        for export in ahead:
            times = {name: getattr(export, name) for name in ("leased_until", "asked_at", "requested_at")}
            past = {name: min(time, at) if time else None for name, time in times.items()}
            tx.change(export, at=at, due_at=min(export.due_at, at), **past)
        if ahead:
            tx.lock_queue(queue.connection)
            tx.hold_queue(queue.connection, at)
    return ahead
