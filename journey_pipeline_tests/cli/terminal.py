"""A terminal of its own: a project, a home, a vendor, and commands that are forked from a server or fresh.

Not here: what a fresh interpreter does (`conftest.py`).
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from journey_pipeline.lake.layout import Lake
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline_tests.crash.commands import Ended, Request, Starter
from journey_pipeline_tests.projects import make_project


@dataclass
class Terminal:
    """Where a person types commands.

    Attributes:
        server: Starts them.
        sandbox: The vendors.
        folder: The working directory; a project, and the home in it.
        changes: What of the environment is otherwise.
    """

    server: Starter
    sandbox: Sandbox
    folder: Path
    changes: dict[str, str] = field(default_factory=dict)

    @classmethod
    def at(cls, folder: Path, server: Starter, sandbox: Sandbox, *connections: str) -> Terminal:
        """A terminal in a new project."""
        folder.mkdir(parents=True, exist_ok=True)
        return cls(server, sandbox, make_project(folder, *connections))

    @property
    def home(self) -> Path:
        """The home of its commands."""
        return Path(self.changes.get("JOURNEY_PIPELINE_HOME", self.folder / "home"))

    @property
    def lake(self) -> Lake:
        """The lake in it."""
        return Lake(self.home)

    def __call__(self, *arguments: str) -> Ended:
        """Runs a command to its end; none ever shows a traceback."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "COLUMNS": "160",
            "JOURNEY_PIPELINE_HOME": str(self.home),
            **{f"{vendor}_REQUESTS_PER_SECOND": "500" for vendor in ("SFMC", "LAYERFIVE", "APSIS")},
            **self.sandbox.environment(),
            **self.changes,
        }
        ended = self.server.run(Request(arguments, environment, self.folder))
        assert "Traceback" not in ended.err + ended.out, ended.err + ended.out
        return ended

    def status(self) -> tuple[int, list[dict[str, Any]]]:
        """What `status --json` ends with and says."""
        ended = self("status", "--json")
        rows: list[dict[str, Any]] = json.loads(ended.out)
        return ended.code, rows
