"""The project in which every stream of the suite is configured, and the command that runs in it.

Not here: how commands are started and killed (`crash/commands.py`).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from journey_pipeline.model import Window, iso
from journey_pipeline.settings import CLOCK_OFFSET_VARIABLE
from journey_pipeline_tests.contract.pipeline import Pipeline
from journey_pipeline_tests.contract.streams import STREAMS
from journey_pipeline_tests.crash.commands import Ended, Instant, Request, Starter
from journey_pipeline_tests.projects import make_project

PACKAGE = "shop_of_all"


def configured(folder: Path) -> Path:
    """A project with the connections of all streams and a warehouse."""
    make_project(folder, package=PACKAGE)
    for stream in STREAMS:
        definition = folder / PACKAGE / "defs" / stream.key.connection / "defs.yaml"
        definition.parent.mkdir(exist_ok=True)
        definition.write_text(stream.definition)
    return folder


def variables(pipeline: Pipeline) -> dict[str, str]:
    """What tells the project where its home and its vendors are, and what time it is there."""
    offset = pipeline.sandbox.clock.now() - datetime.now(UTC)
    return {
        "JOURNEY_PIPELINE_HOME": str(pipeline.lake.home),
        "JOURNEY_PIPELINE_NO_WAITING": "1",
        CLOCK_OFFSET_VARIABLE: str(offset.total_seconds()),
        f"{pipeline.stream.key.connection.upper()}_REQUESTS_PER_SECOND": "500",
        f"{pipeline.stream.key.connection.upper()}_REQUESTS_PER_DAY": "500",
        **pipeline.sandbox.environment(),
    }


@dataclass(frozen=True, slots=True)
class Command:
    """The command line in the project.

    Attributes:
        starter: How it is started.
        folder: The project.
        pipeline: Whose stream is backfilled.
    """

    starter: Starter
    folder: Path
    pipeline: Pipeline

    def backfill(self, span: Window, kill_at: Instant | None = None) -> Ended:
        """Backfills what is missing of a span, as far as the published warehouse."""
        arguments = ("backfill", str(self.pipeline.stream.key), "--from", iso(span.start), "--to", iso(span.end))
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "COLUMNS": "500",
            **variables(self.pipeline),
        }
        return self.starter.run(Request(arguments, environment, self.folder), kill_at)
