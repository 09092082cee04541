"""Exports on their way: ordered, polled, and what the vendor said noted in the ledger, each one on its own.

The sensor and the command line move exports by this same code. Not here: what the ledger allows (`exports/`), fetching
a file that is ready (`collect.py`), a backfill from order to events (`export_backfill.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Self

from journey_pipeline.errors import ContractError, ExportMovedOn, JourneyError, TransientVendorError, VendorError
from journey_pipeline.exports import answers, claims
from journey_pipeline.exports.export import Export, SmallerOrder
from journey_pipeline.exports.ledger import Ledger
from journey_pipeline.exports.orders import split
from journey_pipeline.exports.policy import ExportPolicy
from journey_pipeline.exports.states import State
from journey_pipeline.loading.pull import utc_now
from journey_pipeline.vendors.exports import ExportSource, Ordered, Polled, Verdict, Wanted

OK, TOO_MANY_REQUESTS = 200, 429
FAILURES_BEFORE_SPLIT = 2

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Exporting:
    """One connection's exports and who moves them.

    Attributes:
        connection: The configured account.
        ledger: Where its exports are kept.
        sources: Its streams, by name.
        policy: The vendor's limits and waits.
        now: The clock.
        most_pieces: An order that is in so many pieces of which none became a file does not fail for its size, and is
            not cut further. By then a month has gone down to days, and a day to hours.
        troubles: What went wrong last with an order or its parts since this was opened, by the number at its top. The
            ledger knows the same in words; whoever waits for the order is told with it.
    """

    connection: str
    ledger: Ledger
    sources: Mapping[str, ExportSource]
    policy: ExportPolicy = field(default_factory=ExportPolicy)
    now: Callable[[], datetime] = utc_now
    most_pieces: int = 64
    troubles: dict[int, JourneyError] = field(default_factory=dict)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Gives back what the ledger and the sources hold open."""
        for source in self.sources.values():
            source.close()
        self.ledger.close()

    def source_of(self, export: Export) -> ExportSource:
        """The stream that an export belongs to."""
        return self.sources[export.key.stream]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the file of an export goes that comes with the answer to a poll.

    Attributes:
        to: The file.
        on_bytes: Told the size of each piece that comes.
    """

    to: Path
    on_bytes: Callable[[int], None]


def poll(exporting: Exporting, export: Export, *, place: Place | None = None) -> Polled | None:
    """Asks how far an export is, and writes down what came of it.

    Args:
        exporting: Whose exports.
        export: As it was claimed to be polled.
        place: Where its file goes, if its vendor's answer is the file itself and it is to be taken along.

    Returns:
        What came back; None if the poll failed, which is in the ledger.

    Raises:
        ExportMovedOn: If somebody else has taken it further.
    """
    ledger, policy = exporting.ledger, exporting.policy
    to, on_bytes = (place.to, place.on_bytes) if place else (None, None)
    try:
        polled = exporting.source_of(export).poll(ordered_of(export), wanted_of(export), to=to, on_bytes=on_bytes)
    except (TransientVendorError, ContractError) as error:
        exporting.troubles[export.root_id] = error
        if place and error.status == OK:  # it is there, and whoever fetches it finds out what is wrong with it
            answers.ready(ledger, export, at=exporting.now(), status=error.status)
            return None
        # A page of some gateway says nothing of the export either; one that stays so counts as lost in the end.
        answers.still_pending(
            ledger,
            export,
            policy,
            at=exporting.now(),
            status=error.status,
            error=str(error),
            retry_after_s=error.retry_after_s if isinstance(error, TransientVendorError) else None,
            acknowledged=False,
        )
    except JourneyError as error:
        _stop(exporting, export, error)
    else:
        exporting.troubles.pop(export.root_id, None)
        note(exporting, export, polled)
        return polled
    return None


def advance(
    exporting: Exporting,
    *,
    is_over: Callable[[], bool] = lambda: False,
    may_order: Callable[[], bool] = lambda: True,
    polling: Callable[[Exporting, Export], object] = poll,
) -> int:
    """Orders and polls all that is due, as far as the vendor's limits allow; a bad export stops none of the others.

    Args:
        exporting: Whose exports.
        is_over: Asked before each call to the vendor; if true, the rest is left for the next time.
        may_order: Asked before each order; if false, there is time for polls alone.
        polling: Polls one that was claimed.

    Returns:
        How many calls were made.
    """
    for orphan in claims.end_leases_of_the_dead(exporting.ledger, exporting.connection, at=exporting.now()):
        log.warning("%s was held by a process that was killed; going on with it", orphan)
    calls = 0
    while not is_over():
        if not ((may_order() and _order_next(exporting)) or _poll_next(exporting, polling)):
            return calls
        calls += 1
    return calls


def wanted_of(export: Export) -> Wanted:
    """What was ordered, as the vendor's side takes it."""
    return Wanted(export.window, export.request)


def ordered_of(export: Export) -> Ordered:
    """What the vendor answered to the order, as kept."""
    return Ordered(export.vendor_export_id, export.poll_address, export.generation)


def _order_next(exporting: Exporting) -> bool:
    ledger, policy = exporting.ledger, exporting.policy
    export = claims.claim_to_ask(
        ledger, exporting.connection, policy, at=exporting.now(), streams=tuple(exporting.sources)
    )
    if export is None:
        return False
    try:
        _order(exporting, export)
    except ExportMovedOn as moved:
        log.info("%s", moved)
    except Exception:
        # Its lease runs out, and it is asked for again as one that never got an answer.
        log.exception("ordering %s failed in a way that nobody foresaw", export)
    return True


def _order(exporting: Exporting, export: Export) -> None:
    ledger, policy = exporting.ledger, exporting.policy
    try:
        ordered = exporting.source_of(export).order(wanted_of(export))
    except TransientVendorError as error:
        exporting.troubles[export.root_id] = error
        if error.status is None:
            answers.unanswered(ledger, export, policy, at=exporting.now(), error=str(error))
            return
        answers.refused(
            ledger,
            export,
            policy,
            at=exporting.now(),
            status=error.status,
            error=str(error),
            retry_after_s=error.retry_after_s,
            holds_queue=error.status == TOO_MANY_REQUESTS,
        )
    except JourneyError as error:
        _stop(exporting, export, error)
    else:
        exporting.troubles.pop(export.root_id, None)
        answers.answered(
            ledger,
            export,
            policy,
            at=exporting.now(),
            vendor_export_id=ordered.export_id,
            poll_address=ordered.poll_address,
            generation=ordered.generation,
            status=ordered.status,
        )


def _poll_next(exporting: Exporting, polling: Callable[[Exporting, Export], object]) -> bool:
    export = claims.claim_to_poll(
        exporting.ledger,
        exporting.connection,
        exporting.policy,
        at=exporting.now(),
        streams=tuple(exporting.sources),
    )
    if export is None:
        return False
    try:
        polling(exporting, export)
    except ExportMovedOn as moved:
        log.info("%s", moved)
    except Exception:
        log.exception("polling %s failed in a way that nobody foresaw", export)
    except BaseException:  # whoever was interrupted keeps nobody waiting
        claims.release(exporting.ledger, export)
        raise
    return True


def _stop(exporting: Exporting, export: Export, error: JourneyError) -> None:
    exporting.troubles[export.root_id] = error
    status = error.status if isinstance(error, VendorError) else None
    answers.stopped(exporting.ledger, export, at=exporting.now(), status=status, error=str(error))


def note(exporting: Exporting, export: Export, polled: Polled) -> None:
    """Writes down what a poll found out.

    Args:
        exporting: Whose exports.
        export: As it was claimed.
        polled: What came back.
    """
    ledger, policy, at = exporting.ledger, exporting.policy, exporting.now()
    match polled.verdict:
        case Verdict.PENDING | Verdict.UNACKNOWLEDGED:
            answers.still_pending(
                ledger,
                export,
                policy,
                at=at,
                status=polled.status,
                retry_after_s=polled.retry_after_s,
                acknowledged=polled.verdict is Verdict.PENDING,
            )
        case Verdict.READY:
            answers.ready(ledger, export, at=at, status=polled.status)
        case Verdict.GONE:
            answers.expired(ledger, export, policy, at=at, status=polled.status, error=polled.says)
        case Verdict.FAILED if export.failures + 1 < FAILURES_BEFORE_SPLIT:
            _failed(exporting, export, polled, at)
        case Verdict.FAILED | Verdict.TOO_LARGE:
            _make_smaller(exporting, export, polled, at)


def _failed(exporting: Exporting, export: Export, polled: Polled, at: datetime) -> None:
    answers.failed(
        exporting.ledger,
        export,
        exporting.policy,
        at=at,
        status=polled.status,
        error=polled.says,
        retry_after_s=polled.retry_after_s,
    )


def _make_smaller(exporting: Exporting, export: Export, polled: Polled, at: datetime) -> None:
    """Orders the same in smaller pieces; a vendor who failed again and again may have had too much to do."""
    pieces = exporting.source_of(export).smaller(wanted_of(export))
    if pieces and not (polled.verdict is Verdict.FAILED and _size_is_not_why(exporting, export)):
        parts = [SmallerOrder(piece.window, piece.request) for piece in pieces]
        split(exporting.ledger, export, parts, at=at)
    elif polled.verdict is Verdict.FAILED:
        _failed(exporting, export, polled, at)
    else:
        says = f"{polled.says}, and it can't be ordered in smaller pieces. Ask the vendor."
        answers.stopped(exporting.ledger, export, at=at, status=polled.status, error=says)


def _size_is_not_why(exporting: Exporting, export: Export) -> bool:
    """Whether the order is in many pieces already, and the vendor has made a file of none."""
    with exporting.ledger.reading() as tx:
        pieces = tx.tree(export.root_id)
    return len(pieces) >= exporting.most_pieces and not any(piece.state is State.READY for piece in pieces)
