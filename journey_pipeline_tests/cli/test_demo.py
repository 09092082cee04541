"""`demo`, as a newcomer runs it: once, twice, and stopped in the middle."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import psutil
import pytest

from journey_pipeline.components.instance import open_instance
from journey_pipeline.exports.database import open_ledger
from journey_pipeline.exports.export import AT_VENDOR, State
from journey_pipeline.exports.turns import listed

Start = Callable[..., subprocess.Popen[str]]
COMMAND = [sys.executable, "-m", "journey_pipeline.cli.main", "demo"]

pytestmark = [
    pytest.mark.slow(reason="each test loads a demo twice"),
    pytest.mark.timeout(900),  # each loads a demo twice, whatever else the machine does
]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts the demo in a folder of its own; none outlasts its test."""
    started: list[subprocess.Popen[str]] = []

    def run(*options: str) -> subprocess.Popen[str]:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "COLUMNS": "160",
            "JOURNEY_PIPELINE_LEDGER_URL": f"sqlite:///{tmp_path / 'real.db'}",
        }
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            [*COMMAND, *options], cwd=tmp_path, env=environment, stdout=pipe, stderr=pipe, text=True
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def published_rows(folder: Path) -> int:
    with duckdb.connect(str(folder / "data/sandbox/journeys.duckdb"), read_only=True) as session:
        row = session.execute("select count(*) from core.journey_events").fetchone()
    assert row is not None
    return int(row[0])


def test_a_newcomer_sees_partitions_results_files_and_what_to_try(tmp_path: Path, start: Start) -> None:
    shown, _ = (first := start("--hours", "3")).communicate()
    assert first.returncode == 0
    assert len(re.findall(r"^ *20\d\d-\d\d-\d\dT\d\d ", shown, re.MULTILINE)) == 3
    for words in ("What each journey did", "journeys.duckdb", "What to try next", ": 3 hours loaded"):
        assert words in shown
    rows = published_rows(tmp_path)
    assert rows > 0
    assert not (tmp_path / "real.db").exists()

    shown, _ = (second := start("--hours", "3")).communicate()
    assert second.returncode == 0
    # The clock may have struck between the two.
    assert "all 3 hours already there" in shown or "1 hour loaded, 2 already there" in shown
    assert published_rows(tmp_path) >= rows


def is_export_pending(folder: Path) -> bool:
    url = f"sqlite:///{folder / 'data/sandbox/exports.db'}"
    if not (folder / "data/sandbox/exports.db").exists():
        return False
    with open_ledger(url) as ledger:
        return any(export.state in AT_VENDOR for export in listed(ledger))


def have_three_hours_landed(folder: Path) -> bool:
    return len(list((folder / "data/sandbox/raw/sfmc/journey_history").glob("*/manifest.json"))) >= 3


def stopped(process: subprocess.Popen[str], ending: signal.Signals, at: Callable[[], bool]) -> str:
    """Ends a demo in the middle, nothing that it started goes on; what it had shown."""
    while process.poll() is None and not at():
        time.sleep(0.05)
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    process.send_signal(ending)
    shown, _ = process.communicate()
    assert process.returncode != 0
    # What Dagster starts beside a run notices by itself, a little later, that the run's process is gone.
    _, running = psutil.wait_procs(family, timeout=30)
    assert running == []
    return shown


def unfinished_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.setenv("JOURNEY_PIPELINE_HOME", str(folder / "data/sandbox"))
    with open_instance() as instance:
        return [run.run_id for run in instance.get_runs() if not run.is_finished]


def test_a_demo_that_is_killed_while_exports_are_pending_does_not_wait_for_them_the_next_time(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped(start("--hours", "3"), signal.SIGKILL, lambda: is_export_pending(tmp_path))
    shown, said = (again := start("--hours", "3")).communicate()
    assert again.returncode == 0, said
    ordered = shown.index("apsis/email_events: 1 day loaded")
    assert shown.index("sfmc/journey_history: 3 hours loaded") < ordered
    with open_ledger(f"sqlite:///{tmp_path / 'data/sandbox/exports.db'}") as ledger:
        states = {export.state for export in listed(ledger, with_ended=True)}
    assert states == {State.REPLACED, State.LANDED}
    assert unfinished_runs(tmp_path, monkeypatch) == []


def test_a_demo_that_is_interrupted_leaves_nothing_running_and_nothing_broken(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = stopped(start("--hours", "10"), signal.SIGINT, lambda: have_three_hours_landed(tmp_path))
    assert ": 10 hours loaded" not in shown
    shown, said = (again := start("--hours", "10")).communicate()
    assert again.returncode == 0, said
    assert "What each journey did" in shown
    assert published_rows(tmp_path) > 0
    assert unfinished_runs(tmp_path, monkeypatch) == []
