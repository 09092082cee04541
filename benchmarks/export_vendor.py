"""The simulated APSIS One in a process of its own, with one profile export, its file written before anyone orders it.

`python -m benchmarks.export_vendor ROWS_PER_HOUR PROFILES` says in one line of JSON where it is, which day it has and
what is in the file, then serves until it is stopped. The file has a day of the world, whose events are all different,
and made-up profiles of ten events each, which can be made by the gigabyte. Not here: the simulation
(`journey_pipeline/sandbox/`).
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from journey_pipeline.model import Granularity, Window, floor, iso
from journey_pipeline.sandbox.apsis.account import ATTRIBUTES, EVENT_TYPES, SECTIONS
from journey_pipeline.sandbox.apsis.options import ApsisOptions
from journey_pipeline.sandbox.apsis.orders import ProfileOrder, SectionOrder
from journey_pipeline.sandbox.apsis.simulator import ApsisSimulator
from journey_pipeline.sandbox.options import SandboxOptions
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.server import run
from journey_pipeline.sandbox.world import World

CONTACTS = 100_000


@dataclass(frozen=True, slots=True)
class Day:
    """What the vendor has.

    Attributes:
        window: A day that is over for long enough to be partitioned by, whatever the time is.
        rows_per_hour: How busy the world is.
        profiles: Made-up ones besides.
    """

    window: Window
    rows_per_hour: int
    profiles: int

    @property
    def world(self) -> World:
        """Who there is."""
        contacts = min(CONTACTS, 1 + 8 * self.rows_per_hour)
        return World(rows_per_hour=self.rows_per_hour, contacts=contacts, steady=True, late_share=0.0)

    @property
    def options(self) -> SandboxOptions:
        """An export is ready at once: nobody is measured by the vendor's queue."""
        return SandboxOptions(apsis=ApsisOptions(bulk_profiles=self.profiles, pending_s=0.0))

    @property
    def order(self) -> ProfileOrder:
        """What the pipeline orders by default: every event of all sections, and the address."""
        email = tuple(one for one in ATTRIBUTES if one.field == "email")
        types = tuple(EVENT_TYPES.values())
        return ProfileOrder(tuple(SectionOrder(section, email, (), types) for section in SECTIONS), self.window)


def truth(day: Day) -> tuple[int, int]:
    """How many events the file has, and how many records: some come twice."""
    with tempfile.TemporaryDirectory() as folder:
        sandbox = Sandbox(day.world, options=day.options, folder=Path(folder))
        events = records = 0
        for event in sandbox.simulator(ApsisSimulator).profile_truth(day.window, datetime.now(UTC)):
            events += 1
            records += event["copies"]
    return events, records


def main() -> None:
    """Serves an export of the day before yesterday."""
    rows_per_hour, profiles = (int(argument) for argument in sys.argv[1:])
    end = floor(datetime.now(UTC), Granularity.DAY) - timedelta(days=1)
    day = Day(Window(end - timedelta(days=1), end), rows_per_hour, profiles)

    def ready(sandbox: Sandbox) -> None:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as beside:
            counted = beside.submit(truth, day)
            file = sandbox.simulator(ApsisSimulator).prepare(day.order, Path(folder) / "export.json.gz")
            rows, records = counted.result()
        about = {
            "environment": sandbox.environment(),
            "start": iso(day.window.start),
            "end": iso(day.window.end),
            "rows": rows,
            "records": records,
            "raw_bytes": file.raw_bytes,
        }
        sys.stdout.write(json.dumps(about) + "\n")
        sys.stdout.flush()

    with tempfile.TemporaryDirectory(prefix="journey-export-") as folder:
        run(port=0, world=day.world, options=day.options, on_ready=ready)


if __name__ == "__main__":
    main()
