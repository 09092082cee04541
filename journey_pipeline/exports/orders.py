"""How exports come to be, are merged, split and replaced; what an answer does to one; what a killed process has left.

Each within a transaction that holds the connection's queue, or the export. Not here: asking the vendor, and when an
export is due (`queue.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import and_, select

from journey_pipeline.errors import ExportMovedOn
from journey_pipeline.exports import turns
from journey_pipeline.exports.export import ENDED, Edge, Export, Order, Reason, State, Verdict, check_parts
from journey_pipeline.exports.ledger import Ledger, Transaction, callbacks, exports
from journey_pipeline.model import Window, partition_window
from journey_pipeline.processes import is_dead

Asked = TypeVar("Asked", bound=Export | Order)

_DAY, _HALVED_FOR = timedelta(days=1), timedelta(days=7)
_CLOCKS_DIFFER = timedelta(hours=1)  # of machines that share a ledger, at most
NOTHING_KNOWN: dict[str, Any] = dict.fromkeys(("vendor_export_id", "poll_address", "generation"))
_ANEW: dict[str, Any] = {**dict.fromkeys(("tries", "failures", "losses"), 0), **NOTHING_KNOWN}


def want(tx: Transaction, order: Order, *, at: datetime, again: bool) -> Export:
    """Implements `Queue.want`."""
    for root in turns.under_way(tx, order.key, order.window):
        tree = tx.tree(root.id)
        stopped = [export for export in tree if export.state is State.STOPPED]
        if root.request == order.request:
            for export in stopped if again else ():
                tx.move(export, Edge.REOPEN, at=at, due_at=at, **_ANEW)
            return tx.get(root.id)
        if stopped and root.window == order.window:
            replace(tx, tree, Reason.CHANGED, at=at)
    return tx.add(_new(order, position=tx.next_position(order.key.connection), at=at))


def split(tx: Transaction, export: Export, parts: Sequence[Order], *, at: datetime) -> list[Export]:
    """Implements `Queue.split`."""
    check_parts(export, parts)
    gone = tx.move(export, Edge.SPLIT, at=at, due_at=at, poll_address=None)
    below = {"parent_id": gone.id, "root_id": gone.root_id}
    return [tx.add(_new(part, position=gone.position, at=at) | below) for part in parts]


def arrange_waiting(tx: Transaction, connection: str, longest: Mapping[str, timedelta], *, at: datetime) -> None:
    """Merges the orders that wait, and for a week after the vendor called without a file cuts them to half of its size.

    Then the newest and the oldest of what is missing are asked for in turn, so that neither waits for good.

    Args:
        longest: The longest window of one order, by stream.
    """
    _merge_waiting(tx, connection, longest, at=at)
    for stream in longest:
        mine = (exports.c.connection == connection) & (exports.c.stream == stream)
        noticed = mine & (callbacks.c.verdict == Verdict.NOTICE) & (callbacks.c.at > at - _HALVED_FOR)
        columns = (callbacks.c.at, exports.c.window_start, exports.c.window_end)
        rows = tx.rows(select(*columns).join(exports, exports.c.id == callbacks.c.export_id).where(noticed))
        if rows:
            half_days = min((row["window_end"] - row["window_start"]) / 2 // _DAY for row in rows)
            since = max(row["at"] for row in rows)
            is_newest_first = turns.asks_since(tx, connection, since) % 2 == 0
            most = max(int(half_days), 1) * _DAY
            _cut_waiting(tx, connection, stream, most, is_newest_first=is_newest_first, at=at)


def _merge_waiting(tx: Transaction, connection: str, longest: Mapping[str, timedelta], *, at: datetime) -> None:
    """Merges the orders that are not with the vendor and ask for the same, each stream's into its newest.

    Its window holds theirs and all that lies between, in the place of the oldest; it is due when all of them are.

    Args:
        tx: Holds the connection's queue.
        longest: The longest window of one order, by stream.
    """
    for stream, most in longest.items():
        for newest, *others in merging(turns.waiting(tx, connection, stream), most):
            _merge(tx, newest, others, at)


def merging(waiting: Sequence[Asked], most: timedelta) -> Iterator[list[Asked]]:
    """What becomes one order each: the newest, with those that ask for the same and that its longest window reaches.

    Args:
        waiting: Exports or orders, the newest window first.
    """
    left = list(waiting)
    while left:
        newest, *older = left
        since = newest.window.end - most
        reached = [one for one in older if one.request == newest.request and one.window.start >= since]
        yield [newest, *reached]
        left = [one for one in older if one not in reached]


def _merge(tx: Transaction, newest: Export, others: Sequence[Export], at: datetime) -> None:
    if not others:
        return
    merged = [newest, *others]
    oldest = min(merged, key=lambda export: export.window)
    most = {name: max(getattr(one, name) for one in merged) for name in ("due_at", "tries", "failures", "losses")}
    least = {name: min(getattr(one, name) for one in merged) for name in ("position", "wanted_at")}
    if newest.attempt:
        # Its file, which may come after all, is of its own window: it must not pass for the merged one's.
        others = merged
        newest = tx.add(_new(newest.order(newest.window, newest.request), position=newest.position, at=at))
    replace(tx, others, Reason.MERGED, at=at)
    tx.change(newest, at=at, window_start=oldest.window.start, partition_key=oldest.partition, **most, **least)


def _cut_waiting(
    tx: Transaction, connection: str, stream: str, most: timedelta, *, is_newest_first: bool, at: datetime
) -> None:
    """Cuts the orders of a stream that are not with the vendor and are longer than the vendor makes now.

    Args:
        most: The longest window that may be asked for.
        is_newest_first: Whether the newest piece comes before the others, and not after them.
    """
    for whole in turns.waiting(tx, connection, stream):
        pieces = _cut(whole.window, most)
        if len(pieces) == 1:
            continue
        partition = partition_window(whole.partition).duration
        replace(tx, [whole], Reason.HALVED, at=at)
        so_far = {name: getattr(whole, name) for name in ("due_at", "wanted_at", "tries", "failures", "losses")}
        for piece in (pieces[-1], *pieces[:-1]) if is_newest_first else pieces:
            if any(other.request == whole.request for other in turns.under_way(tx, whole.key, piece)):
                continue
            name = Window(piece.start, piece.start + partition).partition
            order = Order(whole.key, name, piece, whole.request)
            tx.add(_new(order, position=whole.position, at=at) | so_far)


def _cut(window: Window, most: timedelta) -> list[Window]:
    """A window in pieces, oldest first, of which all but the oldest are as long as may be."""
    pieces, end = [], window.end
    while end > window.start:
        pieces.append(Window(max(window.start, end - most), end))
        end -= most
    return pieces[::-1]


def give_up(ledger: Ledger, export_id: int, *, at: datetime) -> Export:
    """Ends an order that the vendor will never make, with all its parts: who next wants its window orders it anew.

    Args:
        export_id: The export at the top or any part.

    Returns:
        The export at the top.

    Raises:
        LedgerError: If there is none of that id, or it has ended already.
    """
    with ledger.reading() as tx:
        found = tx.get(export_id)
    with ledger.writing() as tx:
        # The queue before an export, as who asks: locked the other way round, each would wait for the other.
        tx.lock_queue(found.key.connection)
        replace(tx, tx.tree(found.root_id), Reason.GIVEN_UP, at=at)
        return tx.get(found.root_id)


def parts_of(tx: Transaction, whole: Export) -> list[Export]:
    """The parts of a split export, and the parts of parts that were split again."""
    below, parts = {whole.id}, []
    for export in tx.tree(whole.root_id):
        if export.parent_id in below:
            below.add(export.id)
            parts.append(export)
    return parts


def replace(tx: Transaction, tree: Sequence[Export], reason: Reason, *, at: datetime) -> None:
    """Ends an order with all its parts; those that were replaced before stay so."""
    for export in tree:
        if not (export.is_part and export.state is State.REPLACED):
            tx.move(export, Edge.REPLACE, at=at, reason=reason, poll_address=None)


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


def ask_again(
    tx: Transaction, export: Export, reason: Reason, *, at: datetime, due_at: datetime | None, **said: Any
) -> Export:
    """Asked for again when it is due; without such a time the ceiling is reached, and a person is needed."""
    edge = Edge.STOP if due_at is None else Edge.ASK_AGAIN
    return tx.move(export, edge, at=at, reason=reason, due_at=due_at or at, tries=0, **said, poll_address=None)


def deliver(tx: Transaction, export: Export, *, at: datetime, **where: Any) -> Export:
    """The file is there: it is fetched next. Parts that stood in for it are no longer needed.

    Raises:
        ExportMovedOn: If it has landed or was replaced.
    """
    if export.state in ENDED:
        raise ExportMovedOn(f"the file came too late: {export}")
    moved = tx.move(export, Edge.DELIVER, at=at, due_at=at, ready_at=at, tries=0, error=None, **where)
    if export.state is State.SPLIT:
        replace(tx, parts_of(tx, export), Reason.SUPERSEDED, at=at)
    return moved


def deliver_link(tx: Transaction, export: Export, attempt: int, link: str, *, at: datetime) -> Export:
    """The file of an attempt can be fetched from a link, whatever was thought of it meanwhile.

    Needs no lease; who has one loses it.
    """
    if export.state is State.READY and export.poll_address == link:
        return export
    known = {} if export.attempt == attempt else NOTHING_KNOWN
    return deliver(tx, export, at=at, **{**known, "poll_address": link})


def end_leases_of_the_dead(ledger: Ledger, connection: str, *, at: datetime) -> list[Export]:
    """Ends what processes held that were killed on this machine, and gives it."""
    held = select(exports).where(turns.mine(connection), exports.c.leased_until > at)
    with ledger.reading() as tx:
        orphans = [export for export in tx.find(held) if is_dead((export.lease or "").partition("/")[2])]
    with ledger.writing() as tx:
        # The lease itself stays, and only its time is over: what was being asked for is then noted as unanswered.
        return [export for export in orphans if tx.set_lease(export, leased_until=at)]


def bring_back_from_future(ledger: Ledger, connection: str, *, at: datetime) -> list[Export]:
    """Makes due what a clock that was ahead has put off, and gives it: its waits would last until that time comes."""
    written_ahead = and_(exports.c.changed_at > at + _CLOCKS_DIFFER, exports.c.state.not_in(ENDED))
    with ledger.writing() as tx:
        tx.lock_queue(connection)
        ahead = tx.find(select(exports).where(turns.mine(connection), written_ahead).with_for_update())
        for export in ahead:
            times = {name: getattr(export, name) for name in ("leased_until", "asked_at", "requested_at")}
            past = {name: min(time, at) if time else None for name, time in times.items()}
            tx.change(export, at=at, due_at=min(export.due_at, at), **past)
        if ahead:
            tx.hold_queue(connection, at)
    return ahead
