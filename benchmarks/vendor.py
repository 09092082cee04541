"""The simulated Salesforce in a process of its own, its answers written before anyone asks.

`python -m benchmarks.vendor HOURS ROWS` says in one line of JSON where it is and which hours it has, then serves until
it is stopped. Not here: the simulation (`journey_pipeline/sandbox/`).
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from benchmarks.task import COLUMNS
from journey_pipeline.model import Granularity, Window, floor, iso
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.server import run
from journey_pipeline.sandbox.sfmc.simulator import SfmcSimulator
from journey_pipeline.sandbox.world import World

CONTACTS = 500_000
# Everything of an hour is visible by then, and stays the same answer.
SETTLED_AFTER = timedelta(hours=1)


@contextmanager
def stoppable() -> Iterator[None]:
    """Ends the process at SIGTERM inside the block, which takes long; the server would end only after it."""
    servers = signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, servers)


def main() -> None:
    """Serves as many hours as asked, all equally busy."""
    hours, rows = (int(argument) for argument in sys.argv[1:])
    end = floor(datetime.now(UTC), Granularity.HOUR) - SETTLED_AFTER
    span = Window(end - timedelta(hours=hours), end)

    def ready(sandbox: Sandbox) -> None:
        with stoppable():
            prepared = sandbox.simulator(SfmcSimulator).prepare(span.partitions(Granularity.HOUR), columns=COLUMNS)
        about = {"environment": sandbox.environment(), "start": iso(span.start), "end": iso(span.end), "rows": prepared}
        sys.stdout.write(json.dumps(about) + "\n")
        sys.stdout.flush()

    world = World(rows_per_hour=rows, contacts=CONTACTS, steady=True, late_share=0.0)
    run(port=0, world=world, on_ready=ready)


if __name__ == "__main__":
    main()
