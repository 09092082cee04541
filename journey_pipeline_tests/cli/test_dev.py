"""`dev` as a process of its own: it says where it answers, starts what is asked for, and leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import requests

from journey_pipeline_tests.projects import make_project

pytestmark = pytest.mark.slow(reason="Dagster's webserver and daemon")


@contextmanager
def dev(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Runs it in a project; what it says can be read line by line."""
    command = [sys.executable, "-m", "journey_pipeline.cli.main", "dev", "--port", "0", "--home", "home", *arguments]
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    with subprocess.Popen(
        command, cwd=make_project(folder, "sfmc"), env=environment, stderr=subprocess.PIPE, text=True
    ) as running:
        try:
            yield running
        finally:
            running.send_signal(signal.SIGTERM)


def until(running: subprocess.Popen[str], text: str) -> str:
    """What it says up to a line that begins with a text."""
    assert running.stderr
    said = ""
    for line in running.stderr:
        said += line
        if line.startswith(text):
            return said
    raise AssertionError(said)


def stop(running: subprocess.Popen[str], ending: signal.Signals) -> str:
    """Stops it; gives what it says, once it and all that it had started are gone."""
    started = psutil.Process(running.pid).children(recursive=True)
    running.send_signal(ending)
    _, said = running.communicate()
    assert running.returncode == 0
    assert [process for process in started if process.is_running() and process.status() != psutil.STATUS_ZOMBIE] == []
    return said


def test_it_says_where_it_answers_and_what_it_starts_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    with dev(tmp_path, "--hurry", "--fault", "sfmc/download:503@1") as running:
        said = until(running, "sandbox ")
        ui, sandbox = re.findall(r"http://127\.0\.0\.1:\d+", said)
        assert requests.get(f"{ui}/server_info", timeout=60).json()["dagster_webserver_version"]
        assert "sfmc/download:503@1" in requests.get(f"{sandbox}/_sandbox/faults", timeout=60).text
        said = until(running, "  ") + until(running, "What comes next")
        assert re.search(r"  sfmc__journey_history_load: \S+ to \S+\n", said)
        ended = stop(running, signal.SIGINT)
        assert "gaps: sfmc/journey_history" in ended
        assert ended.endswith("Stopped.\n")
        assert "Traceback" not in ended
        assert (tmp_path / "home" / "dev.log").exists()


def test_it_ends_while_it_starts_and_leaves_no_process(tmp_path: Path) -> None:
    with dev(tmp_path) as running:
        until(running, "Starting")
        assert stop(running, signal.SIGTERM) == "Stopped.\n"
