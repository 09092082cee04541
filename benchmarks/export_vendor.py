"""The simulated APSIS One in a process of its own, with one profile export, its file written before anyone orders it.

`python -m benchmarks.export_vendor ROWS_PER_HOUR PROFILES` says in one line of JSON where it is, which day it has and
what is in the file, then serves until it is stopped. The file has a day of the world, whose events are all different,
and made-up profiles of ten events each. A block of those is made once and repeated under other keys, which makes
gigabytes in seconds. Not here: the simulation (`journey_pipeline/sandbox/`).
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.vendor import stoppable
from journey_pipeline.model import Granularity, Window, floor, iso
from journey_pipeline.sandbox.apsis.account import ATTRIBUTES, EVENT_TYPES, SECTIONS
from journey_pipeline.sandbox.apsis.options import ApsisOptions
from journey_pipeline.sandbox.apsis.orders import ProfileOrder, SectionOrder
from journey_pipeline.sandbox.apsis.simulator import ApsisSimulator
from journey_pipeline.sandbox.options import SandboxOptions
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.server import run
from journey_pipeline.sandbox.world import World
from journey_pipeline.sandbox.world.profiles import export_key

CONTACTS = 100_000
BLOCK = 1_000
# What the key of every profile begins with and each made-up event's own, and nothing else in a made-up profile.
_KEY, _EVENT = b'"xk-', b'"correlationId":"b-'


@dataclass(frozen=True, slots=True)
class Day:
    """What the vendor has.

    Attributes:
        window: A day that is over for long enough to be partitioned by, whatever the time is.
        rows_per_hour: How busy the world is.
        profiles: Made-up ones besides; whole blocks.
    """

    window: Window
    rows_per_hour: int
    profiles: int

    @property
    def block(self) -> int:
        """How many of the made-up profiles the simulator makes."""
        return min(BLOCK, self.profiles // 2)

    @property
    def times(self) -> int:
        """How often the file has them."""
        return self.profiles // self.block if self.block else 0

    @property
    def world(self) -> World:
        """Who there is."""
        contacts = min(CONTACTS, 1 + 8 * self.rows_per_hour)
        return World(rows_per_hour=self.rows_per_hour, contacts=contacts, steady=True, late_share=0.0)

    @property
    def options(self) -> SandboxOptions:
        """An export is ready at once: nobody is measured by the vendor's queue."""
        return SandboxOptions(apsis=ApsisOptions(bulk_profiles=self.block, pending_s=0.0))

    @property
    def order(self) -> ProfileOrder:
        """What the pipeline orders by default: every event of all sections, and the address."""
        email = tuple(one for one in ATTRIBUTES if one.field == "email")
        types = tuple(EVENT_TYPES.values())
        return ProfileOrder(tuple(SectionOrder(section, email, (), types) for section in SECTIONS), self.window)

    def grown(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """The file with the block of made-up profiles as often as it takes, each time under other keys."""
        if not self.times:
            yield from chunks
            return
        text = b"".join(chunks)
        first = text.index(_named(self.world.contacts))
        end = text.index(b"," + _KEY, text.index(_named(self.world.contacts + self.block - 1)))
        block = text[first:end]
        yield text[:end]
        for number in range(1, self.times):
            other = block.replace(_KEY, b"%b%d-" % (_KEY, number))
            yield b"," + other.replace(_EVENT, b"%b%d-" % (_EVENT, number))
        yield text[end:]


def _named(person: int) -> bytes:
    return f'"{export_key(person)}":'.encode()


def truth(day: Day) -> tuple[int, int]:
    """How many events the file has, and how many records: some come twice."""
    made_up = {export_key(day.world.contacts + number) for number in range(day.block)}
    with tempfile.TemporaryDirectory() as folder:
        sandbox = Sandbox(day.world, options=day.options, folder=Path(folder))
        events = records = 0
        for event in sandbox.simulator(ApsisSimulator).profile_truth(day.window, datetime.now(UTC)):
            times = day.times if event["profile"] in made_up else 1
            events += times
            records += times * event["copies"]
    return events, records


def main() -> None:
    """Serves an export of the day before yesterday."""
    rows_per_hour, profiles = (int(argument) for argument in sys.argv[1:])
    end = floor(datetime.now(UTC), Granularity.DAY) - timedelta(days=1)
    day = Day(Window(end - timedelta(days=1), end), rows_per_hour, profiles)

    def ready(sandbox: Sandbox) -> None:
        with stoppable(), multiprocessing.get_context("spawn").Pool(1) as beside:
            counted = beside.apply_async(truth, (day,))
            file = sandbox.simulator(ApsisSimulator).prepare(day.order, Path(folder) / "export.json.gz", day.grown)
            raw_bytes = file.raw_bytes
            rows, records = counted.get()
        about = {
            "environment": sandbox.environment(),
            "start": iso(day.window.start),
            "end": iso(day.window.end),
            "rows": rows,
            "records": records,
            "raw_bytes": raw_bytes,
        }
        sys.stdout.write(json.dumps(about) + "\n")
        sys.stdout.flush()

    with tempfile.TemporaryDirectory(prefix="journey-export-") as folder:
        run(port=0, world=day.world, options=day.options, on_ready=ready)


if __name__ == "__main__":
    main()
