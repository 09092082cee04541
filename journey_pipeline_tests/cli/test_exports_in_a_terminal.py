"""What a person sees while a backfill waits for exports: on a terminal a table that lives, in a log a line a step."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from journey_pipeline.model import Granularity, floor
from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline.settings import CLOCK_OFFSET_VARIABLE
from journey_pipeline_tests.new_home import put_history, put_warehouse
from journey_pipeline_tests.projects import NOW, make_project

pytestmark = pytest.mark.slow(reason="a terminal that waits for exports")

END = floor(NOW, Granularity.DAY)
SPAN = (f"{END - timedelta(days=1):%Y-%m-%d}", f"{END:%Y-%m-%d}")
STREAMS = ("apsis/profile_events", "apsis/email_events")
PENDING = timedelta(hours=1)
ROW = rf"{{stream}} +{SPAN[0][5:]} to {SPAN[1][5:]} +pending +\d+ +\d+ s +- +(in|now)"
NARROW_ROW = rf"{{stream}} pending\s+{SPAN[0][5:]} to {SPAN[1][5:]}, next (in|now)"
LINE = r"\d\d:\d\d:\d\d export \d of {stream} for .* \(pending, attempt 1\)"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with serve(World(rows_per_hour=20, contacts=50, steady=True), clock=SandboxClock(NOW)) as running:
        running.options.apsis.pending_s = PENDING.total_seconds()
        yield running


@pytest.fixture
def environment(sandbox: Sandbox, tmp_path: Path) -> dict[str, str]:
    make_project(tmp_path, "apsis")
    put_history(put_warehouse(tmp_path / "home"))
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "TERM": "xterm",
        "COLUMNS": "160",
        "LINES": "50",
        "JOURNEY_PIPELINE_HOME": str(tmp_path / "home"),
        "APSIS_REQUESTS_PER_SECOND": "500",
        CLOCK_OFFSET_VARIABLE: str((NOW - datetime.now(UTC)).total_seconds()),
        **sandbox.environment(),
    }


@contextmanager
def running(*arguments: Any, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A process that doesn't outlast its test, whatever it waits for."""
    with subprocess.Popen(*arguments, **options) as process:
        try:
            yield process
        finally:
            process.kill()


COMMAND = [sys.executable, "-m", "journey_pipeline.cli.main", "backfill", "apsis", "--from", SPAN[0], "--to", SPAN[1]]


def all_are_seen_pending(said: str, pattern: str) -> bool:
    return all(re.search(pattern.format(stream=stream), said) for stream in STREAMS)


def seen_on_a_terminal(environment: dict[str, str], folder: Path, sandbox: Sandbox, row: str) -> tuple[int, str]:
    """The exit code, and all that was drawn, one drawing after the other, without the codes that move the cursor.

    The exports are pending until both streams' were drawn; then their time passes.
    """
    ours, theirs = pty.openpty()
    drawn = ""
    with (
        os.fdopen(ours, "r", encoding="utf-8", newline="") as terminal,
        running(COMMAND, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=theirs) as process,
    ):
        os.close(theirs)
        with suppress(OSError):  # so does Linux say that nobody writes there any more
            while piece := terminal.readline():
                drawn += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", piece)
                if sandbox.options.apsis.pending_s and all_are_seen_pending(drawn, row) and "3 pending" in drawn:
                    sandbox.options.apsis.pending_s = 0.0
                    sandbox.clock.move(PENDING)
        return process.wait(), drawn


def test_on_a_terminal_exports_of_both_streams_are_seen_pending_while_the_step_runs(
    environment: dict[str, str], tmp_path: Path, sandbox: Sandbox
) -> None:
    code, drawn = seen_on_a_terminal(environment, tmp_path, sandbox, ROW)
    assert code == 0, drawn
    # Both were ordered before the first was waited for: the profile export and the reports of two sections.
    assert "3 pending, 0 ready, 0 landed" in drawn
    assert len(re.findall("polls +asked", drawn)) > 1


@pytest.mark.parametrize("columns", [40, 60])
def test_on_a_narrow_terminal_nothing_of_it_is_cut(
    environment: dict[str, str], tmp_path: Path, sandbox: Sandbox, columns: int
) -> None:
    environment["COLUMNS"] = str(columns)
    code, drawn = seen_on_a_terminal(environment, tmp_path, sandbox, NARROW_ROW)
    assert code == 0, drawn
    assert "…" not in drawn
    drawings = [line for line in re.split(r"[\r\n]+", drawn) if re.search("/2|pending|next", line)]
    assert drawings
    assert max(map(len, drawings)) <= columns


def test_in_a_log_each_export_tells_what_becomes_of_it(
    environment: dict[str, str], tmp_path: Path, sandbox: Sandbox
) -> None:
    pipe, nowhere, said = subprocess.PIPE, subprocess.DEVNULL, ""
    with running(COMMAND, cwd=tmp_path, env=environment, stdout=nowhere, stderr=pipe, text=True) as process:
        assert process.stderr
        for line in process.stderr:
            said += line
            if sandbox.options.apsis.pending_s and all_are_seen_pending(said, LINE):
                sandbox.options.apsis.pending_s = 0.0
                sandbox.clock.move(PENDING)
        assert process.wait() == 0, said
    assert all_are_seen_pending(said, LINE)
    assert re.search(r"\((ready|landed), attempt 1\)", said)
    assert "polls" not in said
