"""What a person sees while a backfill waits for exports: on a terminal a table that lives, in a log a line a step."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from journey_pipeline.model import Granularity, floor
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline_tests.projects import make_project

END = floor(datetime.now(UTC), Granularity.DAY)
SPAN = (f"{END - timedelta(days=1):%Y-%m-%d}", f"{END:%Y-%m-%d}")
STREAMS = ("apsis/profile_events", "apsis/email_events")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with serve(World(rows_per_hour=20, contacts=50, steady=True)) as running:
        running.options.apsis.pending_s = 4.0
        yield running


@pytest.fixture
def environment(sandbox: Sandbox, tmp_path: Path) -> dict[str, str]:
    make_project(tmp_path, "apsis")
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "TERM": "xterm",
        "COLUMNS": "160",
        "LINES": "50",
        "JOURNEY_PIPELINE_HOME": str(tmp_path / "home"),
        "APSIS_REQUESTS_PER_SECOND": "500",
        **sandbox.environment(),
    }


COMMAND = [sys.executable, "-m", "journey_pipeline.cli.main", "backfill", "apsis", "--from", SPAN[0], "--to", SPAN[1]]


def seen_on_a_terminal(environment: dict[str, str], folder: Path) -> tuple[int, str]:
    """The exit code, and all that was drawn, one drawing after the other, without the codes that move the cursor."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(COMMAND, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    drawn = b""
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        try:
            while piece := terminal.read(1 << 16):
                drawn += piece
        except OSError:  # so does Linux say that nobody writes there any more
            assert process.wait() is not None
    return process.wait(), re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn.decode())


def test_on_a_terminal_exports_of_both_streams_are_seen_pending_while_the_step_runs(
    environment: dict[str, str], tmp_path: Path
) -> None:
    code, drawn = seen_on_a_terminal(environment, tmp_path)
    assert code == 0, drawn
    for stream in STREAMS:
        assert re.search(rf"{stream} +{SPAN[0]} 00:00 to .* requested +1 +\d+ +\d+ s ago", drawn)
    # Both were ordered before the first was waited for: the profile export and the reports of two sections.
    assert "3 pending, 0 ready, 0 landed" in drawn
    drawings = drawn.count("next call")
    assert drawings > 5


def test_in_a_log_each_export_tells_what_becomes_of_it(environment: dict[str, str], tmp_path: Path) -> None:
    ended = subprocess.run(COMMAND, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "next call" not in ended.stderr
    for stream in STREAMS:
        assert re.search(
            rf"^\d\d:\d\d:\d\d export \d of {stream} for .* \(requested, attempt 1\)$", ended.stderr, re.MULTILINE
        )
