"""Whose turn it is: takes up an export to be asked for, polled or fetched, and leaves it to its holder for a while.

A claim is written before the vendor is called. Its lease runs out by itself, so that a holder who died keeps nobody
waiting for long, and at once if it died on this machine; one who was only slow can still answer as long as nobody else
has taken the export up.
Not here: what the holder found out (`answers.py`).
"""

from __future__ import annotations

import uuid
from collections.abc import Collection as Names
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select

from journey_pipeline.errors import ExportMovedOn
from journey_pipeline.exports.export import Collection, Export
from journey_pipeline.exports.ledger import Ledger, Transaction
from journey_pipeline.exports.policy import ExportPolicy
from journey_pipeline.exports.states import ENDED, PENDING, TO_ASK, TO_POLL, Edge, State
from journey_pipeline.exports.tables import exports, transitions
from journey_pipeline.model import Granularity, floor
from journey_pipeline.processes import is_dead, this_process

_CLOCKS_DIFFER = timedelta(hours=1)  # of machines that share a ledger, at most
_INSTANT = timedelta(microseconds=1)


def claim_to_ask(
    ledger: Ledger, connection: str, policy: ExportPolicy, *, at: datetime, streams: Names[str] = ()
) -> Export | None:
    """Takes up the export that is to be asked for next, in the order in which they were wanted.

    When this returns, the intent to ask is kept: whatever happens to the caller, the export is asked for again.

    Args:
        streams: Of which streams; none named: of all.

    Returns:
        The export, to be answered with `answers.answered`, `refused`, `unanswered`, `stopped` or `delivered`. None if
        nothing is due or the vendor's limits are reached.
    """
    with ledger.writing() as tx:
        tx.lock_queue(connection)
        _note_lost_answers(tx, connection, policy, at=at)
        if (tx.held_until(connection) or at) > at or _is_full(tx, connection, policy, at=at):
            return None
        for export in tx.find(
            select(exports)
            .where(_mine(connection, streams), exports.c.state.in_(TO_ASK), exports.c.due_at <= at)
            .order_by(exports.c.position, exports.c.id)
            .limit(1)
            .with_for_update()
        ):
            # What is known of an earlier attempt must not be taken for this one's.
            fresh = {"vendor_export_id": None, "poll_address": None, "generation": None, "polls": 0}
            times = {"asked_at": at, "requested_at": None, "polled_at": None, "ready_at": None}
            lease = _lease(at, policy.ask_lease)
            return tx.move(export, Edge.ASK, at=at, attempt=export.attempt + 1, **fresh, **times, **lease)
    return None


def claim_to_poll(
    ledger: Ledger, connection: str, policy: ExportPolicy, *, at: datetime, streams: Names[str] = ()
) -> Export | None:
    """Takes up the export whose poll has been due for longest.

    Args:
        policy: For how long it is left to the caller.
        streams: Of which streams; none named: of all.

    Returns:
        The export, to be answered with `answers.still_pending`, `ready`, `failed`, `expired`, `stopped` or
        `orders.split`; None if none is due.
    """
    with ledger.writing() as tx:
        for export in tx.find(
            select(exports)
            .where(_mine(connection, streams), exports.c.state.in_(TO_POLL), exports.c.due_at <= at, _is_free(at))
            .order_by(exports.c.due_at, exports.c.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        ):
            return tx.change(export, at=at, **_lease(at, policy.call_lease))
    return None


def collectable(ledger: Ledger, connection: str, *, at: datetime, streams: Names[str] = ()) -> list[Collection]:
    """What can be fetched whole and nobody is fetching, in the order in which it was wanted. Claims nothing."""
    open_part = exports.alias()
    unfinished = select(open_part.c.id).where(
        open_part.c.root_id == exports.c.id, open_part.c.state.not_in([State.READY, State.SPLIT])
    )
    with ledger.reading() as tx:
        roots = tx.find(
            select(exports)
            .where(_mine(connection, streams), exports.c.parent_id.is_(None))
            .where(exports.c.state.in_([State.READY, State.SPLIT]), exports.c.due_at <= at, _is_free(at))
            .where(~unfinished.exists())
            .order_by(exports.c.position, exports.c.id)
        )
        return [found for root in roots if (found := _collection(tx.tree(root.id)))]


def claim_to_collect(ledger: Ledger, root_id: int, policy: ExportPolicy, *, at: datetime) -> Collection | None:
    """Takes up an export and all its parts, to fetch and land them together.

    Args:
        root_id: The export at the top.
        policy: For how long it is left to the caller, who may `renew` it.

    Returns:
        What to fetch, to be answered with `answers.landed`, or with `answers.not_fetched` and, for a part that the
        vendor no longer has or broke, `answers.expired` or `answers.failed`. None if a part isn't ready, somebody
        else is at it, it has landed, or a failed try was too short a while ago.
    """
    with ledger.writing() as tx:
        found = _collection(tx.tree(root_id))
        if found is None or found.root.due_at > at or (found.root.leased_until or at) > at:
            return None
        root = tx.change(found.root, at=at, **_lease(at, policy.fetch_lease))
        return Collection(root, tuple(root if part.id == root.id else part for part in found.parts))


def renew(ledger: Ledger, export: Export, policy: ExportPolicy, *, at: datetime) -> None:
    """Keeps an export that takes long to fetch: others wait for as long again.

    Raises:
        ExportMovedOn: If somebody else has it.
    """
    if not _set_lease(ledger, export, leased_until=at + policy.fetch_lease):
        raise ExportMovedOn(f"somebody else has meanwhile taken up {export}: leave it to them")


def release(ledger: Ledger, export: Export) -> None:
    """Gives back what was claimed to be polled or fetched, if it is still held: nothing was found out about it.

    One that was claimed to be asked for can't be given back: only its lease knows that the vendor may have been asked.
    """
    if export.state is not State.ASKING:
        _set_lease(ledger, export, lease=None, leased_until=None)


def end_leases_of_the_dead(ledger: Ledger, connection: str, *, at: datetime) -> list[Export]:
    """Ends what processes held that were killed on this machine: nobody waits for them.

    Returns:
        The exports that they held.
    """
    held = select(exports).where(exports.c.connection == connection, exports.c.leased_until > at)
    with ledger.reading() as tx:
        orphans = [export for export in tx.find(held) if is_dead((export.lease or "").partition("/")[2])]
    # The lease itself stays, and only its time is over: one that was being asked for is then noted as unanswered.
    return [export for export in orphans if _set_lease(ledger, export, leased_until=at)]


def bring_back_from_future(ledger: Ledger, connection: str, *, at: datetime) -> list[Export]:
    """Makes due what a clock that was ahead has put off: its waits would last until that clock's time comes.

    Returns:
        The exports that were put off.
    """
    written_ahead = and_(exports.c.changed_at > at + _CLOCKS_DIFFER, exports.c.state.not_in(ENDED))
    with ledger.writing() as tx:
        ahead = tx.find(select(exports).where(exports.c.connection == connection, written_ahead).with_for_update())
        for export in ahead:
            leased_until = min(export.leased_until, at) if export.leased_until else None
            times = {"asked_at": export.asked_at, "requested_at": export.requested_at}
            past = {name: min(time, at) if time else None for name, time in times.items()}
            tx.change(export, at=at, due_at=min(export.due_at, at), leased_until=leased_until, **past)
        if ahead:
            tx.lock_queue(connection)
            tx.hold_queue(connection, at)
    return ahead


def next_due_at(
    ledger: Ledger, connection: str, policy: ExportPolicy, *, at: datetime, streams: Names[str] = ()
) -> datetime | None:
    """When there may next be something to do for a connection; None if nothing is under way. It may lie in the past."""
    with ledger.reading() as tx:
        under_way = tx.find(select(exports).where(exports.c.connection == connection, exports.c.state.not_in(ENDED)))
        held_until = tx.held_until(connection)
        asks_from = _next_day(at) if _is_day_full(tx, connection, policy, at=at) else None
    pending = [export for export in under_way if export.state in PENDING]
    if len(pending) >= policy.pending_limit:
        asks_from = min(_free_at(export) for export in pending)
    mine = [export for export in under_way if not streams or export.key.stream in streams]
    times = [max(filter(None, (_free_at(export), held_until, asks_from))) for export in mine if export.state in TO_ASK]
    times += [_free_at(export) for export in mine if export.state in PENDING]
    trees = [[export for export in mine if export.root_id == root.id] for root in mine if not root.is_part]
    times += [_free_at(found.root) for tree in trees if (found := _collection(tree))]
    return min(times, default=None)


def _free_at(export: Export) -> datetime:
    return max(export.due_at, export.leased_until or export.due_at)


def _note_lost_answers(tx: Transaction, connection: str, policy: ExportPolicy, *, at: datetime) -> None:
    # Whoever asked is dead or has given up: nobody knows whether the vendor made an export.
    asked = and_(exports.c.connection == connection, exports.c.state == State.ASKING)
    lost = select(exports).where(asked, exports.c.leased_until <= at).order_by(exports.c.id).with_for_update()
    for export in tx.find(lost):
        due_at = policy.ask_unknown_at(export, at)
        tx.move(export, Edge.LOSE_ANSWER, at=at, due_at=due_at, tries=export.tries + 1, last_status=None)


def _is_full(tx: Transaction, connection: str, policy: ExportPolicy, *, at: datetime) -> bool:
    pending = select(func.count()).where(exports.c.connection == connection, exports.c.state.in_(PENDING))
    return tx.count(pending) >= policy.pending_limit or _is_day_full(tx, connection, policy, at=at)


def _is_day_full(tx: Transaction, connection: str, policy: ExportPolicy, *, at: datetime) -> bool:
    if policy.asks_per_day is None:
        return False
    today = transitions.c.at.between(floor(at, Granularity.DAY), _next_day(at) - _INSTANT)
    day = and_(transitions.c.connection == connection, today)
    asked = tx.count(select(func.count()).where(day, transitions.c.edge == Edge.ASK))
    plainly_not = and_(
        transitions.c.from_state == State.ASKING, transitions.c.to_state.in_([State.REFUSED, State.STOPPED])
    )
    return asked - tx.count(select(func.count()).where(day, plainly_not)) >= policy.asks_per_day


def _next_day(at: datetime) -> datetime:
    return floor(at, Granularity.DAY) + Granularity.DAY.duration


def _collection(tree: list[Export]) -> Collection | None:
    ready = [export for export in tree if export.state is State.READY]
    parts = tuple(sorted(ready, key=lambda export: (export.window, export.id)))
    whole = parts and all(export.state in {State.READY, State.SPLIT} for export in tree)
    return Collection(next(export for export in tree if not export.is_part), parts) if whole else None


def _mine(connection: str, streams: Names[str]) -> ColumnElement[bool]:
    mine = exports.c.connection == connection
    return and_(mine, exports.c.stream.in_(streams)) if streams else mine


def _is_free(at: datetime) -> ColumnElement[bool]:
    return or_(exports.c.leased_until.is_(None), exports.c.leased_until <= at)


def _lease(at: datetime, duration: timedelta) -> dict[str, Any]:
    return {"lease": f"{uuid.uuid4().hex}/{this_process()}", "leased_until": at + duration}


def _set_lease(ledger: Ledger, export: Export, **changes: Any) -> bool:
    with ledger.writing() as tx:
        return tx.set_lease(export, **changes)
