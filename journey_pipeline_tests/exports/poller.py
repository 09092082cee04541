"""A poller in a process of its own: wants, asks, polls and lands what there is, telling each claim on standard output.

Its clock stands still, so that no lease runs out and nothing may be claimed twice. Run by `test_export_two_pollers.py`.
"""

from __future__ import annotations

import sys
from datetime import datetime, timedelta

from journey_pipeline.exports.database import open_ledger
from journey_pipeline.exports.policy import Backoff, ExportPolicy
from journey_pipeline.exports.queue import Queue
from journey_pipeline_tests.exports.made_orders import order

POLICY = ExportPolicy(pending_limit=3, polling=Backoff(timedelta(0), timedelta(0)))


def tell(*words: object) -> None:
    print(*words, flush=True)  # noqa: T201


def go_on(queue: Queue) -> None:
    """Takes up one of each that there is."""
    if asking := queue.next_to_ask():
        tell("ask", asking.id, asking.attempt)
        queue.asked(asking)
    if looking := queue.next_to_look():
        tell("poll", looking.id, looking.version)
        queue.ready(looking, status=200)
    for chance in queue.fetchable():
        if collection := queue.lease_to_fetch(chance.root.id):
            tell("land", collection.root.id, collection.root.version)
            queue.landed(collection)


def main(url: str, orders: int, at: datetime) -> None:
    """Wants some orders, waits for a word, and goes on until all have landed."""
    sys.stdin.readline()
    with open_ledger(url) as ledger:
        queue = Queue("apsis", ledger, POLICY, lambda: at)
        for day in range(orders):
            queue.want(order(day))
        tell("wanted")
        sys.stdin.readline()
        while queue.under_way():
            go_on(queue)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), datetime.fromisoformat(sys.argv[3]))
