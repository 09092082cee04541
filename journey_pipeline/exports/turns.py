"""Questions to the ledger: whose turn it is and when that will next be so, and what people get to see.

Nothing is written. Addresses, leases and other secrets are left out. Not here: taking an export up and
what came of it (`queue.py`).
"""

from __future__ import annotations

from collections.abc import Collection as Names
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select

from journey_pipeline.exports.export import AT_VENDOR, ENDED, Collection, Edge, Export, Reason, State, Verdict
from journey_pipeline.exports.ledger import Ledger, Transaction, callbacks, exports, transitions
from journey_pipeline.exports.policy import ExportPolicy
from journey_pipeline.model import EXPORT_COLUMNS, Granularity, StreamKey, Window, floor

_INSTANT = timedelta(microseconds=1)
_WHOLE = (State.READY, State.SPLIT)


def mine(connection: str, streams: Names[str] = ()) -> ColumnElement[bool]:
    """The exports of a connection; of some streams, if any are named."""
    ours = exports.c.connection == connection
    return and_(ours, exports.c.stream.in_(streams)) if streams else ours


def to_ask(tx: Transaction, connection: str, streams: Names[str], at: datetime) -> Export | None:
    """The export to ask for next, in the order in which they were wanted; None if none is due."""
    due = select(exports).where(mine(connection, streams), exports.c.state == State.WANTED, exports.c.due_at <= at)
    return _first(tx, due.order_by(exports.c.position, exports.c.id).with_for_update())


def waiting(tx: Transaction, connection: str, stream: str) -> list[Export]:
    """The orders of a stream that are not with the vendor, the newest window first."""
    whole = select(exports).where(mine(connection, [stream]), exports.c.parent_id.is_(None))
    wanted = whole.where(exports.c.state == State.WANTED)
    return tx.find(wanted.order_by(exports.c.window_end.desc(), exports.c.id.desc()))


def to_look(tx: Transaction, connection: str, streams: Names[str], at: datetime) -> Export | None:
    """The export to look at next, the one that has been due for longest; None if none is due."""
    due = select(exports).where(mine(connection, streams), exports.c.state == State.PENDING, exports.c.due_at <= at)
    in_turn = due.where(_is_free(at)).order_by(exports.c.due_at, exports.c.id)
    return _first(tx, in_turn.with_for_update(skip_locked=True))


def fetchable(tx: Transaction, connection: str, streams: Names[str], at: datetime) -> list[Collection]:
    """Exports whose files are all ready and that no process fetches, in the order of the queue."""
    part = exports.alias()
    unfinished = select(part.c.id).where(part.c.root_id == exports.c.id, part.c.state.not_in([*_WHOLE, State.REPLACED]))
    roots = tx.find(
        select(exports)
        .where(mine(connection, streams), exports.c.parent_id.is_(None))
        .where(exports.c.state.in_(_WHOLE), exports.c.due_at <= at, _is_free(at), ~unfinished.exists())
        .order_by(exports.c.position, exports.c.id)
    )
    return [found for root in roots if (found := collection_of(tx.tree(root.id)))]


def collection_of(tree: list[Export]) -> Collection | None:
    """The files of an order, if all of them are ready."""
    ready = [export for export in tree if export.state is State.READY]
    parts = tuple(sorted(ready, key=lambda export: (export.window, export.id)))
    whole = parts and all(export.state in {*_WHOLE, State.REPLACED} for export in tree)
    return Collection(next(export for export in tree if not export.is_part), parts) if whole else None


def is_awaited() -> ColumnElement[bool]:
    """The exports on whose present attempt the vendor may be at work."""
    is_unanswered = and_(exports.c.state == State.WANTED, exports.c.reason == Reason.UNANSWERED)
    return or_(exports.c.state.in_(AT_VENDOR), is_unanswered)


def unanswered(tx: Transaction, connection: str, at: datetime) -> list[Export]:
    """Exports whose asking process is dead or has given up. The vendor may have made them."""
    asked = and_(mine(connection), exports.c.state == State.ASKING, exports.c.leased_until <= at)
    return tx.find(select(exports).where(asked).order_by(exports.c.id).with_for_update())


def asks_since(tx: Transaction, connection: str, at: datetime) -> int:
    """How many requests a connection has made after a time."""
    asked = and_(transitions.c.connection == connection, transitions.c.edge == Edge.ASK, transitions.c.at > at)
    return tx.count(select(func.count()).where(asked))


def may_ask(tx: Transaction, connection: str, policy: ExportPolicy, at: datetime) -> bool:
    """Whether the vendor takes an order now.

    Not if it told us to wait, too many are under way, the day's requests are used up, or it is about midnight.
    """
    if max(tx.held_until(connection) or at, policy.asks_from(at)) > at:
        return False
    pending = select(func.count()).where(mine(connection), exports.c.state.in_(AT_VENDOR))
    is_full = policy.pending_limit is not None and tx.count(pending) >= policy.pending_limit
    return not is_full and not _is_day_full(tx, connection, policy, at)


def newest(tx: Transaction, key: StreamKey, window: Window) -> Export | None:
    """The newest order whose window holds the given one; None if there is none, or all of them were replaced."""
    return _first(tx, _holding(key, window).where(exports.c.state != State.REPLACED))


def under_way(tx: Transaction, key: StreamKey, window: Window) -> list[Export]:
    """The orders under way whose window holds the given one, newest first."""
    return tx.find(_holding(key, window).where(exports.c.state.not_in(ENDED)))


def _holding(key: StreamKey, window: Window) -> Select[Any]:
    return (
        select(exports)
        .where(mine(key.connection, [key.stream]), exports.c.parent_id.is_(None))
        .where(exports.c.window_start <= window.start, exports.c.window_end >= window.end)
        .order_by(exports.c.id.desc())
    )


def _first(tx: Transaction, query: Select[Any]) -> Export | None:
    return next(iter(tx.find(query.limit(1))), None)


def next_due_at(
    tx: Transaction, connection: str, streams: Names[str], policy: ExportPolicy, at: datetime
) -> datetime | None:
    """When there may next be something to do for a connection; None if nothing is under way. It may lie in the past."""
    open_ones = tx.find(select(exports).where(mine(connection), exports.c.state.not_in(ENDED)))
    asks_from = _asks_from(tx, connection, policy, at)
    busy = [_free_at(export) for export in open_ones if export.state in AT_VENDOR]
    if policy.pending_limit is not None and len(busy) >= policy.pending_limit:
        asks_from = min(busy)
    ours = [export for export in open_ones if not streams or export.key.stream in streams]
    held_until = tx.held_until(connection)
    times = [
        policy.asks_from(max(filter(None, (_free_at(export), held_until, asks_from))))
        for export in ours
        if export.state is State.WANTED
    ]
    times += [_free_at(export) for export in ours if export.state in AT_VENDOR]
    trees = [[export for export in ours if export.root_id == root.id] for root in ours if not root.is_part]
    times += [_free_at(found.root) for tree in trees if (found := collection_of(tree))]
    return min(times, default=None)


def _asks_from(tx: Transaction, connection: str, policy: ExportPolicy, at: datetime) -> datetime:
    """When the day's requests allow a further order."""
    return policy.asks_from(_next_day(at) if _is_day_full(tx, connection, policy, at) else at)


def moves(tx: Transaction, connection: str, step: int, most: int) -> list[tuple[int, int]]:
    """The edges that a connection's exports have taken since a step: its number, and the export at the top."""
    newest = tx.count(select(func.max(transitions.c.id)))
    query = (
        select(transitions.c.id, exports.c.root_id)
        .join(exports, exports.c.id == transitions.c.export_id)
        .where(transitions.c.connection == connection)
        .where(transitions.c.id > (step if step <= newest else 0))  # a ledger that was lost begins anew
        .order_by(transitions.c.id)
        .limit(most)
    )
    return [(row["id"], row["root_id"]) for row in tx.rows(query)]


def spent(ledger: Ledger, connection: str, policy: ExportPolicy, at: datetime) -> tuple[datetime, Export | None]:
    """When the next order may be sent, where the vendor takes so many a day; and which export used the day's last one.

    A vendor that said so itself holds the queue, and no export of ours need have used it.
    """
    asked = and_(transitions.c.connection == connection, transitions.c.edge == Edge.ASK)
    last = select(transitions.c.export_id).where(asked).order_by(transitions.c.id.desc()).limit(1)
    with ledger.reading() as tx:
        opens_at = max(filter(None, (_asks_from(tx, connection, policy, at), tx.held_until(connection))))
        return opens_at, tx.get(tx.count(last)) if _is_day_full(tx, connection, policy, at) else None


def next_asks(ledger: Ledger, connection: str, policy: ExportPolicy, at: datetime, count: int) -> list[datetime]:
    """From when each of the next orders may be sent, where the vendor takes so many a day."""
    opens_at, _ = spent(ledger, connection, policy, at)
    with ledger.reading() as tx:
        used = _asked_today(tx, connection, at) if opens_at < _next_day(at) else 0
    per_day = policy.asks_per_day or count
    days = [(used + number) // per_day for number in range(count)]
    first = floor(opens_at, Granularity.DAY)
    return [policy.asks_from(max(opens_at, first + day * Granularity.DAY.duration)) for day in days]


def accepted(ledger: Ledger, connection: str, day: Window) -> tuple[int, bool]:
    """How many orders of a connection were taken on within a day, and whether one had been wanted before its end."""
    taken = and_(transitions.c.edge.in_([Edge.ANSWER, Edge.DELIVER]), transitions.c.at >= day.start)
    ours = and_(transitions.c.connection == connection, transitions.c.at < day.end)
    wanted = select(func.count()).where(mine(connection), exports.c.wanted_at < day.end)
    with ledger.reading() as tx:
        return tx.count(select(func.count(transitions.c.id)).where(ours, taken)), bool(tx.count(wanted))


def stuck(tx: Transaction, connection: str, policy: ExportPolicy, at: datetime) -> list[Export]:
    """Exports that need a person, and those that were refused or unanswered for longer than they should be.

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
    since = at - policy.overdue_after
    waiting = and_(exports.c.state == State.WANTED, exports.c.tries > 0, exports.c.wanted_at <= since)
    kept_back = select(callbacks.c.id).where(
        callbacks.c.export_id == exports.c.id,
        callbacks.c.verdict == Verdict.QUARANTINED,
        callbacks.c.body.is_not(None),
        exports.c.state.not_in([State.READY, *ENDED]),
    )
    late = or_(
        kept_back.exists(),
        exports.c.state == State.STOPPED,
        exports.c.reason.in_([Reason.OVERDUE, Reason.EXPIRED]),
        waiting,
    )
    found = select(exports).where(mine(connection), late, ~made_up_for.exists())
    return tx.find(found.order_by(exports.c.position, exports.c.id))


def _free_at(export: Export) -> datetime:
    return max(export.due_at, export.leased_until or export.due_at)


def _is_free(at: datetime) -> ColumnElement[bool]:
    return or_(exports.c.leased_until.is_(None), exports.c.leased_until <= at)


def _is_day_full(tx: Transaction, connection: str, policy: ExportPolicy, at: datetime) -> bool:
    return policy.asks_per_day is not None and _asked_today(tx, connection, at) >= policy.asks_per_day


def _asked_today(tx: Transaction, connection: str, at: datetime) -> int:
    """The requests of a UTC day that the vendor may count."""
    refusal = transitions.alias()
    plainly_made_none = select(refusal.c.id).where(
        refusal.c.export_id == transitions.c.export_id,
        refusal.c.attempt == transitions.c.attempt,
        refusal.c.from_state.in_([State.ASKING, State.WANTED]),
        refusal.c.reason.in_([Reason.REFUSED, Reason.REJECTED]),
    )
    # Whatever came of it: who calls on an attempt's hook has had its order.
    called = select(callbacks.c.id).where(
        callbacks.c.export_id == transitions.c.export_id, callbacks.c.attempt == transitions.c.attempt
    )
    today = transitions.c.at.between(floor(at, Granularity.DAY), _next_day(at) - _INSTANT)
    asked = and_(transitions.c.connection == connection, transitions.c.edge == Edge.ASK, today)
    return tx.count(select(func.count()).where(asked, or_(~plainly_made_none.exists(), called.exists())))


def _next_day(at: datetime) -> datetime:
    return floor(at, Granularity.DAY) + Granularity.DAY.duration


def listed(ledger: Ledger, *, connection: str | None = None, with_ended: bool = False) -> list[Export]:
    """Exports, oldest order first; those that have landed or were replaced only if asked for."""
    query = select(exports).order_by(exports.c.position, exports.c.id)
    if not with_ended:
        query = query.where(exports.c.state.not_in(ENDED))
    if connection is not None:
        query = query.where(exports.c.connection == connection)
    with ledger.reading() as tx:
        return tx.find(query)


def shown(export: Export) -> dict[str, Any]:
    """An export as a row of `ops.exports`, by column; nothing secret is in it."""
    told = {
        "export_id": export.id,
        "part_of": export.parent_id,
        "vendor": export.key.vendor,
        "connection": export.key.connection,
        "stream": export.key.stream,
        "partition_key": export.partition,
        "window_start": export.window.start,
        "window_end": export.window.end,
        "state": str(export.state),
        "reason": export.reason and str(export.reason),
        "due_at": None if export.state in ENDED | {State.STOPPED, State.SPLIT} else export.due_at,
    }
    return {name: told[name] if name in told else getattr(export, name) for name in (c.name for c in EXPORT_COLUMNS)}
