"""A process that takes up one export and keeps it until it is killed. Run by `test_export_dead_holders.py`."""

from __future__ import annotations

import sys
from datetime import datetime

from journey_pipeline.exports.claims import claim_to_ask, claim_to_collect, claim_to_poll
from journey_pipeline.exports.ledger import Ledger
from journey_pipeline_tests.exports.made_orders import POLICY


def main(url: str, step: str, at: datetime) -> None:
    """Claims the only export for a step, says so, and waits."""
    with Ledger(url) as ledger:
        match step:
            case "ask":
                held = claim_to_ask(ledger, "apsis", POLICY, at=at)
            case "poll":
                held = claim_to_poll(ledger, "apsis", POLICY, at=at)
            case _:
                found = claim_to_collect(ledger, 1, POLICY, at=at)
                held = found and found.root
        print("held" if held else "nothing to hold", flush=True)  # noqa: T201
        sys.stdin.readline()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], datetime.fromisoformat(sys.argv[3]))
