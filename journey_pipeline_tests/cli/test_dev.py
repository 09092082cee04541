"""`dev` as a process of its own: it says where it answers, starts what is asked for, and leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
import requests

from journey_pipeline.model import Granularity, floor
from journey_pipeline_tests.pages import in_clone, lines_with, make_clone
from journey_pipeline_tests.projects import make_project

pytestmark = pytest.mark.slow(reason="Dagster's webserver and daemon")


@contextmanager
def started(command: Sequence[str], folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Runs a command in a session of its own; what it says can be read line by line."""
    with subprocess.Popen(
        command, cwd=folder, env=in_clone(folder), stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as running:
        try:
            yield running
        finally:
            running.send_signal(signal.SIGTERM)


def until(running: subprocess.Popen[str], pattern: str) -> str:
    """What it says up to a line that begins as a pattern says."""
    assert running.stderr
    said = ""
    for line in running.stderr:
        said += line
        if re.match(pattern, line):
            return said
    raise AssertionError(said)


def end(running: subprocess.Popen[str], ending: signal.Signals) -> str:
    """Ends it as a terminal does, all of its group; gives what it says, once all that it had started is gone."""
    children = psutil.Process(running.pid).children(recursive=True)
    os.killpg(running.pid, ending)
    _, said = running.communicate()
    assert [process for process in children if process.is_running() and process.status() != psutil.STATUS_ZOMBIE] == []
    return said


def test_in_a_clone_it_says_where_it_answers_and_what_it_starts_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    clone = make_clone(tmp_path / "journey_pipeline")
    (line,) = lines_with("make dev")
    arguments = "--port 0 --home home --hurry --fault sfmc/download:503@1"
    with started(["bash", "-ec", f"exec {line} DEV_ARGS='{arguments}'"], clone) as running:
        said = until(running, "sandbox ")
        ui, sandbox = re.findall(r"http://127\.0\.0\.1:\d+", said)
        assert requests.get(f"{ui}/server_info", timeout=60).json()["dagster_webserver_version"]
        assert "sfmc/download:503@1" in requests.get(f"{sandbox}/_sandbox/faults", timeout=60).text
        said = until(running, "  ") + until(running, "What comes next")
        assert re.search(r"  sfmc__journey_history_load: \S+ to \S+\n", said)
        assert re.search(r"gaps: .*sfmc/journey_history", until(running, r"  \d+ more schedules"))
        ended = end(running, signal.SIGINT)
    assert ended.endswith("Stopped.\n")  # make says a line more of a command that fails
    assert "Traceback" not in ended
    assert (clone / "home" / "dev.log").exists()
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{ui}/server_info", timeout=5)


def test_in_another_project_it_ends_while_it_starts_and_leaves_no_process(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "journey_pipeline.cli.main", "dev", "--port", "0", "--home", "home"]
    with started(command, make_project(tmp_path, "sfmc")) as running:
        until(running, "Starting")
        assert end(running, signal.SIGTERM) == "Stopped.\n"
        assert running.returncode == 0


def test_what_it_started_ends_with_it_where_it_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "journey_pipeline.cli.main", "dev", "--port", "0", "--home", "home"]
    with started(command, make_project(tmp_path, "sfmc")) as running:
        until(running, "sandbox ")
        children = psutil.Process(running.pid).children(recursive=True)
        assert len(children) > 2  # webserver, daemon, and the code that they show
        running.kill()
        _, left = psutil.wait_procs(children, timeout=60)
        for process in left:
            process.kill()
        assert left == []


def test_it_ends_as_usual_while_it_asks_the_schedules_what_to_start(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "journey_pipeline.cli.main", "dev", "--port", "0", "--home", "home", "--hurry"]
    project = make_project(tmp_path, "sfmc")
    hour = floor(datetime.now(UTC), Granularity.HOUR) - timedelta(hours=1)
    manifest = project / "home/raw/sfmc/journey_history" / f"{hour:%Y-%m-%dT%H}" / "manifest.json"
    manifest.parent.mkdir(parents=True)
    os.mkfifo(manifest)  # whose reader waits until somebody writes
    with started(command, project) as running:
        writer = once_read(manifest, running)
        assert end(running, signal.SIGINT) == "Starting Dagster ...\nStopped.\n"
        assert running.returncode == 0
        os.close(writer)


def once_read(pipe: Path, running: subprocess.Popen[str]) -> int:
    """A writer of a pipe, once somebody reads it, who then waits for what it writes."""
    while running.poll() is None:
        with suppress(OSError):  # nobody does yet
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        time.sleep(0.02)
    raise AssertionError(running.returncode)
