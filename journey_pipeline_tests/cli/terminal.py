"""A terminal of its own: a project, a home, a vendor, and commands that are forked from a server or fresh.

Not here: how a command is started (`crash/commands.py`).
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from journey_pipeline.lake.layout import Lake
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.settings import CLOCK_OFFSET_VARIABLE
from journey_pipeline_tests.crash.commands import Ended, Request, Starter
from journey_pipeline_tests.new_home import put_history, put_warehouse
from journey_pipeline_tests.projects import make_project


@dataclass
class Terminal:
    """Where a person types commands. The time is that of the vendors.

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
        """A terminal in a new project, in whose home a first command has made what all need."""
        terminal = cls(server, sandbox, make_project(folder, *connections))
        put_history(put_warehouse(terminal.home))
        return terminal

    def with_copy(self, home: Path) -> Terminal:
        """The same terminal at a home of its own, with all that is in this one's."""
        shutil.copytree(self.home, home)
        return replace(self, changes={"JOURNEY_PIPELINE_HOME": str(home)})

    @property
    def home(self) -> Path:
        """The home of its commands."""
        return Path(self.changes.get("JOURNEY_PIPELINE_HOME", self.folder / "home"))

    @property
    def lake(self) -> Lake:
        """The lake in it."""
        return Lake(self.home)

    def __call__(self, *arguments: str, **changes: str | None) -> Ended:
        """Runs a command to its end; none shows a traceback unasked. None takes a variable out."""
        environment: dict[str, str | None] = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "COLUMNS": "160",
            "JOURNEY_PIPELINE_HOME": str(self.home),
            **{f"{vendor.upper()}_REQUESTS_PER_SECOND": "500" for vendor in self.sandbox.simulators},
            CLOCK_OFFSET_VARIABLE: str((self.sandbox.clock.now() - datetime.now(UTC)).total_seconds()),
            **self.sandbox.environment(),
            **self.changes,
            **changes,
        }
        given = {name: value for name, value in environment.items() if value is not None}
        ended = self.server.run(Request(arguments, given, self.folder))
        assert "--debug" in arguments or "Traceback" not in ended.err + ended.out, ended.err + ended.out
        return ended

    def status(self) -> tuple[int, list[dict[str, Any]]]:
        """What `status --json` ends with and says."""
        ended = self("status", "--json")
        assert ended.out, ended.err
        rows: list[dict[str, Any]] = json.loads(ended.out)
        return ended.code, rows
