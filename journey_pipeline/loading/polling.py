"""One poll of an export, and what follows from it: pending, ready, gone, made again, or made in smaller pieces.

Not here: whose turn it is and what an answer does in the ledger (`exports/`), what a vendor's answer means
(`vendors/`), a poll that takes the file along (`take_along.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from journey_pipeline.errors import ContractError, JourneyError, TransientVendorError
from journey_pipeline.exports import answers, claims
from journey_pipeline.exports.export import Export, SmallerOrder
from journey_pipeline.exports.orders import split
from journey_pipeline.exports.states import State
from journey_pipeline.loading.exports import Exporting, apart, ordered_of, stop, wanted_of
from journey_pipeline.vendors.source import Polled, Verdict

OK = 200
FAILURES_BEFORE_SPLIT = 2


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
        stop(exporting, export, error)
    else:
        exporting.troubles.pop(export.root_id, None)
        note(exporting, export, polled)
        return polled
    return None


def poll_next(exporting: Exporting, polling: Callable[[Exporting, Export], object] = poll) -> bool:
    """Polls the export whose poll has been due for longest, and writes down what came of it; whether there was one.

    Args:
        polling: How one that was claimed is polled.
    """
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
        with apart(export, "polling"):
            polling(exporting, export)
    except BaseException:  # whoever was interrupted keeps nobody waiting
        claims.release(exporting.ledger, export)
        raise
    return True


def note(exporting: Exporting, export: Export, polled: Polled) -> None:
    """Writes down what a poll found out."""
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
