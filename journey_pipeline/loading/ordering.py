"""Orders of exports: put into the ledger, sent once, and what the vendor answered written down.

Not here: which one is next and within which limits (`exports/claims.py`), what is ordered (`vendors/`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from journey_pipeline.errors import JourneyError, TransientVendorError
from journey_pipeline.exports import answers, claims
from journey_pipeline.exports.export import Export, Order
from journey_pipeline.exports.orders import want
from journey_pipeline.loading.exports import Exporting, apart, stop, wanted_of
from journey_pipeline.loading.plan import contiguous
from journey_pipeline.model import Window
from journey_pipeline.vendors.source import Stream

TOO_MANY_REQUESTS = 429


def want_windows(
    exporting: Exporting, stream: Stream, windows: Sequence[Window], *, again: bool = False
) -> Iterator[tuple[int, list[Window]]]:
    """Puts orders for windows into the ledger, as few as the vendor's longest window allows.

    Args:
        again: Whether a person asks, so that what had stopped is ordered again.

    Yields:
        Each export at the top, by its number, with the windows that it is for.
    """
    source = exporting.sources[stream.key.stream]
    longest = stream.ordered_in or stream.granularity.duration
    for run in contiguous(windows, max(1, longest // stream.granularity.duration)):
        wanted = source.wanted(Window(run[0].start, run[-1].end))
        order = Order(stream.key, run[0].partition, wanted.window, wanted.request)
        yield want(exporting.ledger, order, at=exporting.now(), again=again).id, run


def order_next(exporting: Exporting) -> bool:
    """Orders the export whose turn it is, and writes down what the vendor answered; whether there was one."""
    ledger, policy = exporting.ledger, exporting.policy
    export = claims.claim_to_ask(
        ledger, exporting.connection, policy, at=exporting.now(), streams=tuple(exporting.sources)
    )
    if export is None:
        return False
    with apart(export, "ordering"):
        _order(exporting, export)
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
        stop(exporting, export, error)
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
