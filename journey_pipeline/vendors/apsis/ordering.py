"""What both streams have in common: their limits, and what an order that got no good answer means for the ledger.

Not here: what is ordered (`orders.py`), polls and files (`profile_events.py`, `email_events.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from journey_pipeline.errors import TransientVendorError
from journey_pipeline.model import Granularity, Recipe, StreamKey
from journey_pipeline.vendors.source import Stream

# Assumed: the vendor only says that a window is three months at most (D1, D2).
RETENTION = timedelta(days=90) - timedelta(days=1)
# Far below the three months, for the size of the file (assumed).
LONGEST_WINDOW = timedelta(days=31)
# Events come late: so many days are asked for again, daily (assumed).
TRAILING_DAYS = 3
# After these the vendor surely made no export; after any other failure it may have.
_PLAIN_REFUSALS = frozenset({408, 425, 429, 500, 503})


def stream_of(connection: str, start: datetime, recipe: Recipe, *, requests: int) -> Stream:
    """A stream of a connection, known without asking the vendor.

    Args:
        connection: The connection's name.
        start: Where its first partition starts, UTC.
        recipe: What it becomes.
        requests: How many requests a partition costs, as a rule.
    """
    return Stream(
        key=StreamKey("apsis", connection, recipe.stream),
        granularity=Granularity.DAY,
        recipe=recipe,
        retention=RETENTION,
        start=start,
        requests_per_partition=requests,
        ordered_in=LONGEST_WINDOW,
    )


@contextmanager
def saying_if_unknown() -> Iterator[None]:
    """Takes the status off a failure after which nobody knows whether the vendor made an export.

    A gateway that gave up waiting, and an answer that was cut off, may stand for one (contract, section 6).
    """
    try:
        yield
    except TransientVendorError as error:
        if error.status not in _PLAIN_REFUSALS:
            error.status = None
        raise
