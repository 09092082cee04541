"""What a person sees while a backfill waits for exports: on a terminal a table that lives, in a log a line a step.

One of them is a process of its own at a real terminal; how narrow terminals are drawn on is asked of the bar itself.
"""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from journey_pipeline.cli.progress import ProgressBar
from journey_pipeline.exports.database import open_ledger
from journey_pipeline.exports.turns import listed
from journey_pipeline.model import Granularity, floor
from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline.settings import CLOCK_OFFSET_VARIABLE
from journey_pipeline_tests.exports.made_orders import EMAILS, PROFILES, requested, wanted
from journey_pipeline_tests.exports.made_orders import NOW as MADE_AT
from journey_pipeline_tests.new_home import put_history, put_warehouse
from journey_pipeline_tests.projects import NOW, make_project

pytestmark = pytest.mark.slow(reason="a terminal that waits for exports")

END = floor(NOW, Granularity.DAY)
SPAN = (f"{END - timedelta(days=1):%Y-%m-%d}", f"{END:%Y-%m-%d}")
STREAMS = ("apsis/profile_events", "apsis/email_events")
PENDING = timedelta(hours=1)
ROW = rf"{{stream}} +{SPAN[0][5:]} to {SPAN[1][5:]} +pending +\d+ +\d+ s +- +(in|now)"
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


def without_codes(drawn: str) -> str:
    """What was drawn, one drawing after the other, without the codes that move the cursor."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn)


def seen_on_a_terminal(environment: dict[str, str], folder: Path, sandbox: Sandbox) -> tuple[int, str]:
    """The exit code, and all that was drawn.

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
                drawn += without_codes(piece)
                if sandbox.options.apsis.pending_s and all_are_seen_pending(drawn, ROW) and "3 pending" in drawn:
                    sandbox.options.apsis.pending_s = 0.0
                    sandbox.clock.move(PENDING)
        return process.wait(), drawn


def test_on_a_terminal_exports_of_both_streams_are_seen_pending_while_the_step_runs(
    environment: dict[str, str], tmp_path: Path, sandbox: Sandbox
) -> None:
    code, drawn = seen_on_a_terminal(environment, tmp_path, sandbox)
    assert code == 0, drawn
    # Both were ordered before the first was waited for: the profile export and the reports of two sections.
    assert "3 pending, 0 ready, 0 landed" in drawn
    assert len(re.findall("polls +asked", drawn)) > 1


@pytest.mark.parametrize("columns", [40, 60])
def test_on_a_narrow_terminal_nothing_of_it_is_cut(tmp_path: Path, columns: int) -> None:
    terminal = StringIO()
    console = Console(file=terminal, force_terminal=True, color_system=None, width=columns, height=50)
    with open_ledger(f"sqlite:///{tmp_path}/exports.db") as ledger:
        for key, section in ((PROFILES, "main"), (EMAILS, "main"), (EMAILS, "other")):
            wanted(ledger, key=key, sections=[section])
            requested(ledger)
        exports = listed(ledger)
    with ProgressBar(console, 2, str(PROFILES)) as bar:
        bar.waits_for(exports, MADE_AT)
        bar.received(123_456_789)
        bar.done("2026-11-01", 1_234_567, None)
    drawn = without_codes(terminal.getvalue())
    (window,) = {f"{export.window.start:%m-%d} to {export.window.end:%m-%d}" for export in exports}
    for key in (PROFILES, EMAILS):
        assert re.search(rf"{key} pending\s+{window}, next (in|now)", drawn)
    assert "3 pending" in drawn
    assert "1/2" in drawn
    assert "…" not in drawn
    assert max(map(len, re.split(r"[\r\n]+", drawn))) <= columns


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
