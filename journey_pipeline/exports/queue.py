"""The queue of one connection's exports: what is next, and what came of it.

A process that takes up an export holds a lease on it, written before the vendor is called. The lease runs out by
itself, and at once if its holder died on this machine. A slow holder can still answer until another process takes the
export up. Each answer is one transaction; if another process changed the export meanwhile, it raises `ExportMovedOn`.
Not here: whose turn it is (`turns.py`), how orders are made (`orders.py`), states (`export.py`), waits (`policy.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from journey_pipeline.errors import ExportMovedOn
from journey_pipeline.exports import calls, orders, turns
from journey_pipeline.exports.export import Collection, Edge, Export, Order, Reason, State
from journey_pipeline.exports.ledger import NO_LEASE, Ledger, Transaction, lease
from journey_pipeline.exports.policy import ExportPolicy
from journey_pipeline.exports.turns import listed
from journey_pipeline.model import StreamKey, Window

_UNREADABLE = f"{calls.UNREADABLE}, so it is ordered again. {calls.SAME_KEY}, to keep the others."
_HOUR = timedelta(hours=1)
_REACHABLE = "Is the hook reachable from outside? `journey-pipeline doctor` asks its address."


@dataclass(frozen=True, slots=True)
class Queue:
    """The exports of one connection.

    Attributes:
        policy: The vendor's limits and waits.
        streams: The streams that are served here, with the longest window of one order; none named: all. All of a
            connection share its limits.
    """

    connection: str
    ledger: Ledger
    policy: ExportPolicy
    now: Callable[[], datetime]
    streams: Mapping[str, timedelta] = field(default_factory=dict)

    def want(self, order: Order, *, again: bool = False) -> Export:
        """Puts an order into the queue, or finds the export that is on its way for it already.

        An export is found if it asks for the same of a window that holds the order's, and has not landed: so a backfill
        that was broken off goes on with the exports that it made. One that stopped is found too, and stays stopped
        unless a person asks for it again. If its request was wrong and is now another, the new one replaces it.

        Args:
            again: Whether a person wants what had stopped to be asked for again.

        Returns:
            The export at the top; if it was split, its parts do the work (`stopped_in` tells whether they can).
        """
        with self.ledger.writing() as tx:
            tx.lock_queue(self.connection)
            return orders.want(tx, order, at=self.now(), again=again)

    def next_to_ask(self) -> Export | None:
        """Takes up the export that is to be asked for next, in the order in which they were wanted.

        Where the vendor takes so many requests a day, what waits is merged first: after an outage one order holds all
        that is missing, where one order a day would stay behind for good. Where only the exports under way are limited
        nothing is merged: one giant export in place of several at a time takes longer, lands all or none, and fails.

        When this returns, the intent to ask is kept: whatever happens to the caller, the export is asked for again.

        Returns:
            The export, with its hook if the vendor calls back; to be answered with `asked`, `refused`, `unanswered` or
            `stopped`. None if nothing is due or the vendor's limits are reached.
        """
        at = self.now()
        with self.ledger.writing() as tx:
            tx.lock_queue(self.connection)
            self._heed_calls(tx, at)
            for lapsed in turns.unanswered(tx, self.connection, at):
                self._note_unanswered(tx, lapsed, at)
            export = turns.to_ask(tx, self.connection, self.streams, at)
            if export is None or not turns.may_ask(tx, self.connection, self.policy, at):
                return None
            if self.policy.asks_per_day is not None:
                orders.arrange_waiting(tx, self.connection, self.streams, at=at)
                export = turns.to_ask(tx, self.connection, self.streams, at)
            if export is None:
                return None
            # What is known of an earlier attempt must not be taken for this one's.
            fresh = {"attempt": export.attempt + 1, "polls": 0, "asked_at": at, **orders.NOTHING_KNOWN}
            fresh |= dict.fromkeys(("requested_at", "polled_at", "ready_at"))
            asked = tx.move(export, Edge.ASK, at=at, **fresh, **lease(at, self.policy.ask_lease))
            life = self.policy.hook_life
            return replace(asked, hook=calls.make_hook(tx, asked, at=at, life=life)) if life else asked

    def asked(
        self,
        export: Export,
        *,
        vendor_export_id: str | None = None,
        poll_address: str | None = None,
        generation: int | None = None,
        status: int | None = None,
    ) -> Export:
        """The vendor took it on. An answer that comes late counts unless it was asked for again."""
        at = self.now()
        with self.ledger.writing() as tx:
            return tx.move(
                orders.as_asked(tx, export),
                Edge.ANSWER,
                at=at,
                due_at=self.policy.poll_at(export, at),
                requested_at=at,
                tries=0,
                last_status=status,
                error=None,
                vendor_export_id=vendor_export_id,
                poll_address=poll_address,
                generation=generation,
            )

    def unanswered(self, export: Export, *, error: str) -> Export:
        """The request broke off after it may have arrived, so the vendor may have accepted it."""
        with self.ledger.writing() as tx:
            asked = orders.as_asked(tx, export)
            return asked if asked.state is State.WANTED else self._note_unanswered(tx, asked, self.now(), error=error)

    def refused(
        self,
        export: Export,
        *,
        status: int | None,
        error: str,
        retry_after_s: float | None = None,
        holds_queue: bool = False,
    ) -> Export:
        """The vendor plainly made no export; another try may go better.

        Args:
            status: Of the answer; None if no connection came about.
            holds_queue: Whether every other order would be refused too (too much is under way): the whole connection
                waits then, so that the order stays the same.
        """
        at = self.now()
        due_at = self.policy.ask_refused_at(export, at, retry_after_s)
        with self.ledger.writing() as tx:
            if holds_queue:
                tx.lock_queue(self.connection)
                tx.hold_queue(self.connection, due_at)
            asked = orders.as_asked(tx, export)
            said = {"due_at": due_at, "tries": export.tries + 1, "last_status": status, "error": error}
            return tx.move(asked, Edge.ASK_AGAIN, at=at, reason=Reason.REFUSED, **said)

    def next_to_look(self) -> Export | None:
        """Takes up the export that has been due for longest to be looked at, if the vendor can be asked.

        Returns:
            It, to be answered with `pending`, `ready`, `failed`, `lost`, `stopped` or `split`; None if none is due.
        """
        at = self.now()
        with self.ledger.writing() as tx:
            self._heed_calls(tx, at)
            while export := turns.to_look(tx, self.connection, self.streams, at):
                if not self.policy.is_polled:
                    self._look_at_clock(tx, export, at)
                elif not export.has_unreadable_address:
                    return tx.change(export, at=at, **lease(at, self.policy.call_lease))
                else:
                    self._note_unreadable(tx, export, at)
        return None

    def pending(
        self,
        export: Export,
        *,
        status: int | None,
        error: str | None = None,
        retry_after_s: float | None = None,
        acknowledged: bool = True,
    ) -> Export:
        """It isn't ready, or the look itself failed in a way that says nothing of it: look again later.

        Args:
            error: What was wrong with the look, if anything.
            acknowledged: Whether the vendor says that it is at work on it. Where the same answer is given for one that
                it never heard of, say no: then it counts as lost in the end.
        """
        at = self.now()
        with self.ledger.writing() as tx:
            counted = {"polls": export.polls + 1, "tries": export.tries + 1, "polled_at": at}
            due_at = self.policy.poll_at(export, at, retry_after_s)
            seen = tx.change(export, at=at, due_at=due_at, last_status=status, error=error, **counted, **NO_LEASE)
            if not acknowledged and self.policy.is_lost(seen, at):
                never = "the vendor has not acknowledged it for too long, so it counts as lost"
                return self._note_lost(tx, seen, status, never)
            if seen.reason is not Reason.OVERDUE and self.policy.is_overdue(seen, at):
                return tx.move(seen, Edge.DELAY, at=at, reason=Reason.OVERDUE, last_status=status)
            return seen

    def ready(self, export: Export, *, status: int | None) -> Export:
        """The file can be fetched from where it was looked for; that it is there counts whatever was thought meanwhile.

        Raises:
            ExportMovedOn: If it has landed or was replaced.
        """
        at = self.now()
        with self.ledger.writing() as tx:
            now = tx.get(export.id)
            if now.state is State.READY:
                return now
            where = {name: getattr(export, name) for name in ("requested_at", *orders.NOTHING_KNOWN)}
            seen = {"polls": now.polls + 1, "polled_at": at, "last_status": status}
            return orders.deliver(tx, now, at=at, **where, **seen)

    def failed(self, export: Export, *, status: int | None, error: str, retry_after_s: float | None = None) -> Export:
        """The vendor took it on and made nothing of it, or a broken file: asked for again later, up to a ceiling."""
        at = self.now()
        due_at = self.policy.ask_failed_at(export, at, retry_after_s)
        with self.ledger.writing() as tx:
            said = {"last_status": status, "error": error, "failures": export.failures + 1}
            return orders.ask_again(tx, export, Reason.FAILED, at=at, due_at=due_at, **said)

    def lost(self, export: Export, *, status: int | None, error: str) -> Export:
        """The vendor no longer has it, or never heard of it: asked for again, up to a ceiling."""
        with self.ledger.writing() as tx:
            return self._note_lost(tx, export, status, error)

    def stopped(self, export: Export, *, status: int | None, error: str) -> Export:
        """Asking, looking or fetching again would give the same: a person must change something, as the error says."""
        at = self.now()
        said = {"last_status": status, "error": error, "poll_address": None}
        with self.ledger.writing() as tx:
            now = orders.as_asked(tx, export) if export.state is State.ASKING else export
            return tx.move(now, Edge.STOP, at=at, reason=Reason.REJECTED, due_at=at, **said)

    def split(self, export: Export, parts: Sequence[Order]) -> list[Export]:
        """Replaces an export that was too large by smaller ones. They take its place in the queue and land together.

        Args:
            parts: What to ask for instead: all of its window, each smaller than the whole. Where parts share a window,
                it is the caller's to see that their requests make up the whole.

        Raises:
            ConfigError: If the parts leave a time out, or one is as large as the whole.
        """
        with self.ledger.writing() as tx:
            return orders.split(tx, export, parts, at=self.now())

    def fetchable(self) -> list[Collection]:
        """Exports whose files are all ready and that no process fetches, in the order of the queue. Takes no lease."""
        with self.ledger.reading() as tx:
            return turns.fetchable(tx, self.connection, self.streams, self.now())

    def lease_to_fetch(self, root_id: int) -> Collection | None:
        """Takes up an export and all its parts, to fetch and land them together; who takes long may `renew` the lease.

        Returns:
            What to fetch, to be answered with `landed`, or with `not_fetched` and, for a part that the vendor no longer
            has or broke, `lost` or `failed`. None if a part isn't ready, another process holds it, it has landed, or a
            failed try was too short a while ago.
        """
        at = self.now()
        with self.ledger.writing() as tx:
            found = turns.collection_of(tx.tree(root_id))
            if found is None or found.root.due_at > at or (found.root.leased_until or at) > at:
                return None
            if unreadable := [part for part in found.parts if part.has_unreadable_address]:
                for part in unreadable:
                    self._note_unreadable(tx, part, at)
                return None
            root = tx.change(found.root, at=at, **lease(at, self.policy.fetch_lease))
            return Collection(root, tuple(root if part.id == root.id else part for part in found.parts))

    def not_fetched(self, collection: Collection, *, error: str, retry_after_s: float | None = None) -> None:
        """Fetching or landing broke off; the files are still there. Tried again later.

        To be called too after a part was reported as lost, failed or stopped, which leaves the others as they are.
        """
        at = self.now()
        with self.ledger.writing() as tx:
            root = tx.get(collection.root.id)
            if root.lease == collection.root.lease:  # else another process has it, or the root itself was reported
                due_at = self.policy.fetch_at(root, at, retry_after_s)
                tx.change(root, at=at, due_at=due_at, tries=root.tries + 1, error=error, **NO_LEASE)

    def landed(self, collection: Collection) -> Export:
        """All its files lie in the lake, under one manifest: the export and its parts have landed, all of them at once.

        Raises:
            ExportMovedOn: If anything of it has changed since it was taken up. The files stay in the lake; the next
                landing of the same window adds to them, and no event counts twice.
        """
        at = self.now()
        with self.ledger.writing() as tx:
            held = {export.id: export for export in (collection.root, *collection.parts)}
            tree = tx.tree(collection.root.id)
            if {export.id for export in tree if export.state is State.READY} != {part.id for part in collection.parts}:
                raise ExportMovedOn(f"the parts of {collection.root} have changed since they were taken up")
            for export in (export for export in tree if export.state is not State.REPLACED):
                tx.move(held.get(export.id, export), Edge.LAND, at=at, landed_at=at, error=None, poll_address=None)
            return tx.get(collection.root.id)

    def renew(self, export: Export) -> None:
        """Keeps an export that takes long to fetch: others wait for as long again.

        Raises:
            ExportMovedOn: If another process has it.
        """
        if not self._set_lease(export, leased_until=self.now() + self.policy.fetch_lease):
            raise ExportMovedOn(f"another process has taken up {export} meanwhile and goes on with it")

    def release(self, export: Export) -> None:
        """Gives back what was taken up to be looked at or fetched, if it is still held: nothing was found out about it.

        One that was taken up to be asked for can't be: only its lease knows that the vendor may have been asked.
        """
        if export.state is not State.ASKING:
            self._set_lease(export, **NO_LEASE)

    def next_due_at(self) -> datetime | None:
        """When there may next be something to do; None if nothing is under way. It may lie in the past."""
        with self.ledger.reading() as tx:
            return turns.next_due_at(tx, self.connection, self.streams, self.policy, self.now())

    def current(self, key: StreamKey, window: Window) -> Export | None:
        """The newest order whose window holds the given one, whatever its state; None if there was none."""
        with self.ledger.reading() as tx:
            return turns.newest(tx, key, window)

    def tree(self, root_id: int) -> list[Export]:
        """An order as it is now: the export at the top and all that stand in for it, in the order of their making."""
        with self.ledger.reading() as tx:
            return tx.tree(root_id)

    def under_way(self) -> list[Export]:
        """The connection's exports that have not ended, oldest order first."""
        return listed(self.ledger, connection=self.connection)

    def needing_a_person(self) -> list[Export]:
        """Exports that stopped, or take longer than they should; see `turns.stuck`."""
        with self.ledger.reading() as tx:
            return turns.stuck(tx, self.connection, self.policy, self.now())

    def moved_after(self, step: int, *, most: int) -> tuple[int, list[list[Export]]]:
        """The orders that any process has moved since a step.

        Args:
            step: The last one that is known already; 0 if none is.

        Returns:
            The last step that was looked at; and each order as it is now, as `tree` gives it.
        """
        with self.ledger.reading() as tx:
            moves = turns.moves(tx, self.connection, step, most)
            trees = [tx.tree(root) for root in dict.fromkeys(root for _, root in moves)]
            return (moves[-1][0] if moves else step), trees

    def _heed_calls(self, tx: Transaction, at: datetime) -> None:
        if self.policy.hook_life:
            calls.heed(tx, self.connection, self.policy, at=at)

    def _note_unanswered(self, tx: Transaction, export: Export, at: datetime, **error: str) -> Export:
        due_at = self.policy.ask_unknown_at(export, at)
        said = {"tries": export.tries + 1, "last_status": None, **error}
        return tx.move(export, Edge.ASK_AGAIN, at=at, reason=Reason.UNANSWERED, due_at=due_at, **said)

    def _look_at_clock(self, tx: Transaction, export: Export, at: datetime) -> None:
        late = f"no call came within {int((at - (export.requested_at or at)) / _HOUR)} h. {_REACHABLE}"
        told = {"due_at": self.policy.poll_at(export, at), "polled_at": at}
        if self.policy.is_lost(export, at):
            self._note_lost(tx, export, None, late)
        elif export.reason is Reason.OVERDUE:
            tx.change(export, at=at, **told)
        elif self.policy.is_overdue(export, at):
            tx.move(export, Edge.DELAY, at=at, reason=Reason.OVERDUE, error=late, **told)

    def _note_unreadable(self, tx: Transaction, export: Export, at: datetime) -> None:
        if not calls.stop_unreadable(tx, export, at=at):
            self._note_lost(tx, export, None, _UNREADABLE)

    def _note_lost(self, tx: Transaction, export: Export, status: int | None, error: str) -> Export:
        at = self.now()
        said = {"last_status": status, "error": error, "losses": export.losses + 1}
        is_links_end = self.policy.hook_life and export.state is State.READY
        reason = Reason.EXPIRED if is_links_end else Reason.LOST
        return orders.ask_again(tx, export, reason, at=at, due_at=self.policy.ask_lost_at(export, at), **said)

    def _set_lease(self, export: Export, **changes: Any) -> bool:
        with self.ledger.writing() as tx:
            return tx.set_lease(export, **changes)
