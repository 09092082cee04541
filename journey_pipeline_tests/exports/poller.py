"""A poller in a process of its own: wants, asks, polls and lands what there is, telling each claim on standard output.

Its clock stands still, so that no lease runs out and nothing may be claimed twice. Run by `test_export_two_pollers.py`.
"""

from __future__ import annotations

import sys
from datetime import datetime, timedelta

from journey_pipeline.exports import listing
from journey_pipeline.exports.answers import answered, landed, ready
from journey_pipeline.exports.claims import claim_to_ask, claim_to_collect, claim_to_poll, collectable
from journey_pipeline.exports.ledger import Ledger
from journey_pipeline.exports.orders import want
from journey_pipeline.exports.policy import Backoff, ExportPolicy
from journey_pipeline_tests.exports.made_orders import order

POLICY = ExportPolicy(pending_limit=3, polling=Backoff(timedelta(0), timedelta(0)))


def tell(*words: object) -> None:
    print(*words, flush=True)  # noqa: T201


def go_on(ledger: Ledger, at: datetime) -> None:
    """Takes up one of each that there is."""
    if asked := claim_to_ask(ledger, "apsis", POLICY, at=at):
        tell("ask", asked.id, asked.attempt)
        answered(ledger, asked, POLICY, at=at)
    if polled := claim_to_poll(ledger, "apsis", POLICY, at=at):
        tell("poll", polled.id, polled.version)
        ready(ledger, polled, at=at, status=200)
    for chance in collectable(ledger, "apsis", at=at):
        if collection := claim_to_collect(ledger, chance.root.id, POLICY, at=at):
            tell("land", collection.root.id, collection.root.version)
            landed(ledger, collection, at=at)


def main(url: str, orders: int, at: datetime) -> None:
    """Wants some orders, waits for a word, and goes on until all have landed."""
    sys.stdin.readline()
    with Ledger(url) as ledger:
        for day in range(orders):
            want(ledger, order(day), at=at)
        tell("wanted")
        sys.stdin.readline()
        while listing.listed(ledger):
            go_on(ledger, at)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), datetime.fromisoformat(sys.argv[3]))
