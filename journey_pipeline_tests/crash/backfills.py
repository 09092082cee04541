"""One seed's deployment: a vendor with its own world and clock, an empty home, and a span to backfill.

Not here: running processes (`commands.py`), what must be true in the end (`proofs.py`).
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import LandingManifest
from journey_pipeline.model import Granularity, StreamKey, Window, iso
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.settings import CLOCK_OFFSET_VARIABLE
from journey_pipeline_tests.crash.commands import Ended, Request, Starter
from journey_pipeline_tests.crash.kills import Kill

HISTORY = StreamKey("sfmc", "sfmc", "journey_history")


@dataclass(slots=True)
class Backfills:
    """Backfills of one span into one home.

    Attributes:
        sandbox: The vendor.
        starter: How commands are started.
        folder: The working directory; the home lies in it.
        span: What is backfilled.
        clock_offset: How far the pipeline's clock is ahead of the machine's.
    """

    sandbox: Sandbox
    starter: Starter
    folder: Path
    span: Window
    clock_offset: timedelta = timedelta()

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def lake(self) -> Lake:
        return Lake(self.home)

    @property
    def hours(self) -> list[Window]:
        return self.span.partitions(Granularity.HOUR)

    def run(self, kill: Kill | None = None) -> Ended:
        """Starts the backfill, and kills it if it gets as far as that."""
        ended = self._command("backfill", "sfmc", "--from", iso(self.span.start), "--to", iso(self.span.end), kill=kill)
        tell(f"backfill ended with {ended.code} after {ended.seconds:.1f} s" + (f", to be {kill}" if kill else ""))
        assert ended.was_killed == (ended.code < 0), ended.err
        assert ended.code in {0, 1} or ended.was_killed, ended.err
        return ended

    def status(self) -> dict[str, Any]:
        """What `status --json` says of the history."""
        ended = self._command("status", "--json")
        assert ended.code in {0, 1}, ended.err
        (row,) = [row for row in json.loads(ended.out) if row["stream"] == str(HISTORY)]
        assert isinstance(row, dict)
        return row

    def move_clocks(self, by: timedelta) -> None:
        """Lets time pass, for vendor and pipeline alike."""
        self.sandbox.clock.move(by)
        self.clock_offset += by
        tell(f"{by} pass")

    def now(self) -> datetime:
        """The pipeline's clock."""
        return datetime.now(UTC) + self.clock_offset

    def landed(self) -> dict[str, LandingManifest]:
        """The landing manifests of the history, by partition."""
        found = {
            hour.partition: LandingManifest.read(self.lake.landing_manifest(HISTORY, hour.partition))
            for hour in self.hours
        }
        return {partition: manifest for partition, manifest in found.items() if manifest}

    def _command(self, *arguments: str, kill: Kill | None = None) -> Ended:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "COLUMNS": "500",
            "JOURNEY_PIPELINE_HOME": str(self.home),
            "JOURNEY_PIPELINE_NO_WAITING": "1",
            CLOCK_OFFSET_VARIABLE: str(self.clock_offset.total_seconds()),
            "SFMC_REQUESTS_PER_SECOND": "500",
            **self.sandbox.environment(),
        }
        request = Request(arguments, environment, self.folder)
        return self.starter.run(request, kill.instant(self.home) if kill else None)


def tell(line: str) -> None:
    """Says what was done; pytest shows it when the seed fails."""
    print(line)  # noqa: T201 - it is for the reader of a failure
