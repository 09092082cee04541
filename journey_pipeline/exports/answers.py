"""What a vendor said of an export, and what follows from it: one function for each thing that can come back.

Each takes the export as it was claimed, writes one transaction, and raises `ExportMovedOn` if somebody else has taken
the export further meanwhile; whatever was found out is then void. Not here: reading a vendor's answer (`vendors/`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from journey_pipeline.errors import ExportMovedOn
from journey_pipeline.exports.export import Collection, Export
from journey_pipeline.exports.ledger import Ledger, Transaction
from journey_pipeline.exports.policy import ExportPolicy
from journey_pipeline.exports.states import TO_POLL, Edge, State

_OF_NO_MORE_USE: dict[str, Any] = {"poll_address": None}


def answered(
    ledger: Ledger,
    export: Export,
    policy: ExportPolicy,
    *,
    at: datetime,
    vendor_export_id: str | None = None,
    poll_address: str | None = None,
    generation: int | None = None,
    status: int | None = None,
) -> Export:
    """The vendor took it on. An answer that comes late counts as long as nobody has asked again.

    Args:
        export: As it was claimed to be asked for.
        vendor_export_id: The vendor's id, if it gave one.
        poll_address: Where to poll, if it gave an address.
        generation: Which rules the address goes by.
    """
    with ledger.writing() as tx:
        asked = _as_asked(tx, export)
        known = {"vendor_export_id": vendor_export_id, "poll_address": poll_address, "generation": generation}
        due_at = policy.poll_at(asked, at)
        return tx.move(
            asked, Edge.ANSWER, at=at, due_at=due_at, requested_at=at, tries=0, last_status=status, error=None, **known
        )


def unanswered(ledger: Ledger, export: Export, policy: ExportPolicy, *, at: datetime, error: str) -> Export:
    """Nobody knows whether the vendor took it on: the request broke off after it may have arrived."""
    with ledger.writing() as tx:
        asked = _as_asked(tx, export)
        if asked.state is State.UNKNOWN:
            return asked
        due_at = policy.ask_unknown_at(asked, at)
        return tx.move(
            asked, Edge.LOSE_ANSWER, at=at, due_at=due_at, tries=asked.tries + 1, last_status=None, error=error
        )


def refused(
    ledger: Ledger,
    export: Export,
    policy: ExportPolicy,
    *,
    at: datetime,
    status: int | None,
    error: str,
    retry_after_s: float | None = None,
    holds_queue: bool = False,
) -> Export:
    """The vendor plainly made no export; another try may go better.

    Args:
        export: As it was claimed to be asked for.
        policy: How long to wait if the vendor doesn't say.
        status: Of the answer; None if no connection came about.
        retry_after_s: How long the vendor asks to wait.
        holds_queue: Whether every other order would be refused too (too much is under way): the whole connection
            waits then, so that nobody is overtaken.
    """
    with ledger.writing() as tx:
        if holds_queue:
            tx.lock_queue(export.key.connection)
        due_at = policy.ask_refused_at(export, at, retry_after_s)
        if holds_queue:
            tx.hold_queue(export.key.connection, due_at)
        return tx.move(
            export, Edge.REFUSE, at=at, due_at=due_at, tries=export.tries + 1, last_status=status, error=error
        )


def still_pending(
    ledger: Ledger,
    export: Export,
    policy: ExportPolicy,
    *,
    at: datetime,
    status: int | None,
    error: str | None = None,
    retry_after_s: float | None = None,
    acknowledged: bool = True,
) -> Export:
    """It isn't ready, or the poll itself failed in a way that says nothing of it: poll again later.

    Args:
        export: As it was claimed to be polled.
        policy: When to poll next, when it is overdue or lost.
        status: Of the answer; None if none came.
        error: What was wrong with the poll, if anything.
        retry_after_s: How long the vendor asks to wait.
        acknowledged: Whether the vendor says that it is at work on it. Where the same answer is given for one that it
            never heard of, say no: then it counts as lost in the end.
    """
    with ledger.writing() as tx:
        polled = tx.change(
            export,
            at=at,
            due_at=policy.poll_at(export, at, retry_after_s),
            polls=export.polls + 1,
            tries=export.tries + 1,
            polled_at=at,
            last_status=status,
            error=error,
            lease=None,
            leased_until=None,
        )
        if not acknowledged and policy.is_lost(polled, at):
            lost = "the vendor has not acknowledged it for too long: taken for lost"
            return _lose(tx, polled, policy, at=at, status=status, error=lost)
        if polled.state is State.REQUESTED and policy.is_overdue(polled, at):
            return tx.move(polled, Edge.DELAY, at=at, last_status=status)
        return polled


def ready(ledger: Ledger, export: Export, *, at: datetime, status: int | None, address: str | None = None) -> Export:
    """The file can be fetched: from the address given, else from where it was polled."""
    with ledger.writing() as tx:
        where = {"poll_address": address} if address else {}
        polled = {"polls": export.polls + 1, "polled_at": at}
        return tx.move(
            export,
            Edge.DELIVER,
            at=at,
            due_at=at,
            ready_at=at,
            tries=0,
            last_status=status,
            error=None,
            **polled,
            **where,
        )


def delivered(ledger: Ledger, export_id: int, attempt: int, address: str, *, at: datetime) -> Export:
    """The vendor called back: the file of one attempt can be fetched. Needs no claim; a poller who has one loses it.

    Raises:
        ExportMovedOn: If it was asked for again since, is ready already or has ended. Nothing more is to be done.
    """
    with ledger.writing() as tx:
        export = tx.get(export_id)
        if export.attempt != attempt or export.state not in TO_POLL | {State.ASKING, State.UNKNOWN}:
            raise ExportMovedOn(f"a call for attempt {attempt} came too late: {export}")
        return tx.move(export, Edge.DELIVER, at=at, due_at=at, ready_at=at, tries=0, error=None, poll_address=address)


def failed(
    ledger: Ledger,
    export: Export,
    policy: ExportPolicy,
    *,
    at: datetime,
    status: int | None,
    error: str,
    retry_after_s: float | None = None,
) -> Export:
    """The vendor took it on and made nothing of it, or a broken file: asked for again later, up to a ceiling.

    Args:
        policy: How long to wait at least, and how often.
        status: Of the answer; None if none came.
        retry_after_s: How long the vendor asks to wait.
    """
    with ledger.writing() as tx:
        due_at = policy.ask_failed_at(export, at, retry_after_s)
        edge = Edge.STOP if due_at is None else Edge.FAIL
        return tx.move(
            export,
            edge,
            at=at,
            due_at=due_at or at,
            tries=0,
            failures=export.failures + 1,
            last_status=status,
            error=error,
            **_OF_NO_MORE_USE,
        )


def expired(
    ledger: Ledger, export: Export, policy: ExportPolicy, *, at: datetime, status: int | None, error: str
) -> Export:
    """The vendor no longer has it, or never heard of it: asked for again, up to a ceiling."""
    with ledger.writing() as tx:
        return _lose(tx, export, policy, at=at, status=status, error=error)


def stopped(ledger: Ledger, export: Export, *, at: datetime, status: int | None, error: str) -> Export:
    """Asking, polling or fetching again would give the same: a person must change something. The error says what."""
    with ledger.writing() as tx:
        return tx.move(export, Edge.STOP, at=at, due_at=at, last_status=status, error=error, **_OF_NO_MORE_USE)


def not_fetched(
    ledger: Ledger,
    collection: Collection,
    policy: ExportPolicy,
    *,
    at: datetime,
    error: str,
    retry_after_s: float | None = None,
) -> None:
    """Fetching or landing broke off; the files are still there. Tried again later.

    To be called too after a part was reported as expired, failed or stopped, which leaves the others as they are.
    """
    with ledger.writing() as tx:
        root = tx.get(collection.root.id)
        if root.lease != collection.root.lease:  # somebody else has it, or the root itself was reported
            return
        due_at = policy.fetch_at(root, at, retry_after_s)
        tx.change(root, at=at, due_at=due_at, tries=root.tries + 1, error=error, lease=None, leased_until=None)


def landed(ledger: Ledger, collection: Collection, *, at: datetime) -> Export:
    """All its files lie in the lake, under one manifest: the export and its parts have landed, all of them at once.

    Raises:
        ExportMovedOn: If anything of it has changed since it was claimed. The files stay in the lake; the next
            landing of the same window adds to them, and no event counts twice.
    """
    with ledger.writing() as tx:
        claimed = {export.id: export for export in (collection.root, *collection.parts)}
        tree = tx.tree(collection.root.id)
        if {export.id for export in tree if export.state is State.READY} != {part.id for part in collection.parts}:
            raise ExportMovedOn(f"the parts of {collection.root} have changed since they were claimed")
        for export in tree:
            tx.move(claimed.get(export.id, export), Edge.LAND, at=at, landed_at=at, error=None, **_OF_NO_MORE_USE)
        return tx.get(collection.root.id)


def _as_asked(tx: Transaction, export: Export) -> Export:
    # The attempt is the guard here: its answer is good even if somebody has noted meanwhile that it was lost.
    now = tx.get(export.id)
    if now.attempt == export.attempt and now.state in {State.ASKING, State.UNKNOWN}:
        return now
    raise ExportMovedOn(f"the answer to attempt {export.attempt} came too late: {now}")


def _lose(
    tx: Transaction, export: Export, policy: ExportPolicy, *, at: datetime, status: int | None, error: str
) -> Export:
    due_at = policy.ask_lost_at(export, at)
    return tx.move(
        export,
        Edge.STOP if due_at is None else Edge.EXPIRE,
        at=at,
        due_at=due_at or at,
        tries=0,
        losses=export.losses + 1,
        last_status=status,
        error=error,
        **_OF_NO_MORE_USE,
    )
