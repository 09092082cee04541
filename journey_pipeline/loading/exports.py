"""One connection's exports and who moves them.

Not here: ordering (`ordering.py`), polling (`polling.py`), both as far as they are due (`advance.py`), fetching what is
ready (`collect.py`), what the ledger allows (`exports/`), a backfill from order to events (`export_backfill.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from journey_pipeline.errors import ExportMovedOn, JourneyError, VendorError
from journey_pipeline.exports import answers
from journey_pipeline.exports.export import Export
from journey_pipeline.exports.ledger import Ledger
from journey_pipeline.exports.policy import ExportPolicy
from journey_pipeline.loading.pull import utc_now
from journey_pipeline.vendors.source import ExportSource, Ordered, Wanted

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


def wanted_of(export: Export) -> Wanted:
    """What was ordered, as the vendor's side takes it."""
    return Wanted(export.window, export.request)


def ordered_of(export: Export) -> Ordered:
    """What the vendor answered to the order, as kept."""
    return Ordered(export.vendor_export_id, export.poll_address, export.generation)


@contextmanager
def apart(export: Export, doing: str) -> Iterator[None]:
    """Inside the block whatever goes wrong with one export is logged, and stops none of the others.

    Args:
        export: As it was claimed. Its lease runs out if nobody answers for it: one that was being asked for is then
            asked for again as one that never got an answer, another is polled again.
        doing: What is done with it, such as `polling`.
    """
    try:
        yield
    except ExportMovedOn as moved:
        log.info("%s", moved)
    except Exception:
        log.exception("%s %s failed in a way that nobody foresaw", doing, export)


def stop(exporting: Exporting, export: Export, error: JourneyError) -> None:
    """Notes that an export waits for a person: asking or polling again would give the same."""
    exporting.troubles[export.root_id] = error
    status = error.status if isinstance(error, VendorError) else None
    answers.stopped(exporting.ledger, export, at=exporting.now(), status=status, error=str(error))
