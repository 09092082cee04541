"""Exports on their way: ordered and polled as far as they are due, each one on its own.

The sensor and the command line move exports by this same code. Not here: one order (`ordering.py`), one poll
(`polling.py`), fetching what is ready (`collect.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from journey_pipeline.exports import claims
from journey_pipeline.exports.export import Export
from journey_pipeline.loading.exports import Exporting
from journey_pipeline.loading.ordering import order_next
from journey_pipeline.loading.polling import poll, poll_next

log = logging.getLogger(__name__)


def advance(
    exporting: Exporting,
    *,
    is_over: Callable[[], bool] = lambda: False,
    may_order: Callable[[], bool] = lambda: True,
    polling: Callable[[Exporting, Export], object] = poll,
) -> int:
    """Orders and polls all that is due, as far as the vendor's limits allow; a bad export stops none of the others.

    Args:
        is_over: Asked before each call to the vendor; if true, the rest is left for the next time.
        may_order: Asked before each order; if false, there is time for polls alone.
        polling: Polls one that was claimed.

    Returns:
        How many calls were made.
    """
    for orphan in claims.end_leases_of_the_dead(exporting.ledger, exporting.connection, at=exporting.now()):
        log.warning("%s was held by a process that was killed; going on with it", orphan)
    for late in claims.bring_back_from_future(exporting.ledger, exporting.connection, at=exporting.now()):
        log.warning("%s was last changed by a clock that is ahead of this one; its waits are over", late)
    calls = 0
    while not is_over():
        if not ((may_order() and order_next(exporting)) or poll_next(exporting, polling)):
            return calls
        calls += 1
    return calls
