"""A process that takes up one export and keeps it until it is killed. Run by `test_export_dead_holders.py`."""

from __future__ import annotations

import sys
from datetime import datetime

from journey_pipeline.exports.database import open_ledger
from journey_pipeline_tests.exports.made_orders import queue


def main(url: str, step: str, at: datetime) -> None:
    """Claims the only export for a step, says so, and waits."""
    with open_ledger(url) as ledger:
        match step:
            case "ask":
                held = queue(ledger, at).next_to_ask()
            case "poll":
                held = queue(ledger, at).next_to_look()
            case _:
                found = queue(ledger, at).lease_to_fetch(1)
                held = found and found.root
        print("held" if held else "nothing to hold", flush=True)  # noqa: T201
        sys.stdin.readline()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], datetime.fromisoformat(sys.argv[3]))
