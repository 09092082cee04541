"""Talks to the crash server.

Not here: what it does (`crash_server.py`).
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from journey_pipeline.lake.layout import Lake

SERVER = Path(__file__).with_name("crash_server.py")


class CrashServer:
    """A process whose children sync, rebuild and publish, and are killed at a chosen step."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(SERVER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    def run(self, lake: Lake, do: str, crash_at: int | None = None, kill_after_s: float | None = None) -> bool:
        """Runs one of `sync`, `rebuild` and `publish`; says whether it was killed."""
        assert self._process.stdin
        assert self._process.stdout
        request = {"home": str(lake.home), "do": do, "crash_at": crash_at, "kill_after_s": kill_after_s}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        status = json.loads(self._process.stdout.readline())["status"]
        assert status != "failed", "the child raised; its traceback is on standard error"
        return bool(status == "killed")
