"""A command that is stopped while it waits, or whose reader has gone: one sentence, an exit code, nothing half done."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from journey_pipeline.cli.stopping import SAYS
from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline_tests.cli.terminal import Terminal
from journey_pipeline_tests.crash.commands import CommandServer, Ended, Instant, Request, Starter
from journey_pipeline_tests.packages import ROOT
from journey_pipeline_tests.projects import NOW

pytestmark = pytest.mark.slow(reason="a terminal, and new interpreters")

HOUR = ("--from", "2026-11-18T05", "--to", "2026-11-18T06")
DAY = ("--from", "2026-11-18", "--to", "2026-11-19")
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
COUNT = ("query", "select count(*) from core.journey_events")

HasCome = Callable[[Terminal, float], bool]


@dataclass(frozen=True)
class Stopping:
    """Sends each command, and no process beside it, a signal once it has come as far as is asked for."""

    server: Starter
    number: signal.Signals
    has_come: Instant

    def run(self, request: Request, kill_at: Instant | None = None) -> Ended:
        assert kill_at is None
        return self.server.run(replace(request, ending=self.number), self.has_come)


@dataclass(frozen=True)
class Piped:
    """Each command is a new interpreter whose output goes where it is told to."""

    out: int

    def run(self, request: Request, kill_at: Instant | None = None) -> Ended:
        assert kill_at is None
        command = [sys.executable, "-m", "journey_pipeline.cli.main", *request.arguments]
        pipe = subprocess.PIPE
        done = subprocess.run(
            command,
            cwd=request.folder,
            env=dict(request.environment),
            stdout=self.out,
            stderr=pipe,
            text=True,
            check=False,
        )
        return Ended(done.returncode, "", done.stderr, 0)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory, command_server: CommandServer) -> Iterator[Terminal]:
    """An hour, loaded once, in a project with each vendor."""
    with serve(World(rows_per_hour=20, contacts=20, steady=True), clock=SandboxClock(NOW)) as sandbox:
        folder = tmp_path_factory.mktemp("early")
        terminal = Terminal.at(folder, command_server, sandbox, "sfmc", "layerfive", "apsis")
        done = terminal("backfill", "sfmc", *HOUR)
        assert done.code == 0, done.err
        yield terminal


@pytest.fixture
def sandbox(loaded: Terminal) -> Iterator[Sandbox]:
    """The vendors, who make nobody wait after the test."""
    loaded.sandbox.calls.clear()
    yield loaded.sandbox
    loaded.sandbox.faults.clear()
    loaded.sandbox.options.apsis.pending_s = 0.0


def is_polled(terminal: Terminal, _: float) -> bool:
    return terminal.sandbox.calls.count("profile_poll") > 0


def is_rebuilding(terminal: Terminal, _: float) -> bool:
    return (terminal.home / "warehouse.rebuilding.duckdb").exists()


def is_writing(terminal: Terminal, _: float) -> bool:
    return any(terminal.folder.glob(".answer.csv.*"))


def has_begun(_: Terminal, seconds: float) -> bool:
    return seconds > 1.0


def made_to_wait(sandbox: Sandbox, route: str) -> HasCome:
    """Lets no call of a route be answered; whether one was made."""
    sandbox.faults.add(f"{route}:slow_first_byte=600")
    return lambda terminal, _: terminal.sandbox.calls.count(route) > 0


@pytest.mark.parametrize(
    ("arguments", "waits_at", "number"),
    [
        (("backfill", "apsis", *DAY), is_polled, signal.SIGTERM),
        (("backfill", "sfmc", *HOUR, "--again"), "download", signal.SIGINT),
        (("reconcile", "sfmc"), "estimate", signal.SIGTERM),
        (("contact", "x", "--connection", "layerfive"), "customer_journeys", signal.SIGINT),
        (("doctor", "sfmc"), "token", signal.SIGTERM),
        (("rebuild",), is_rebuilding, signal.SIGINT),
        (("query", "select count(*) from range(1000000) a, range(1000000) b"), has_begun, signal.SIGTERM),
        (("query", "from range(1000000) a, range(1000000) b", "--out", "answer.csv"), is_writing, signal.SIGHUP),
    ],
)
def test_a_command_that_is_stopped_while_it_waits_says_so_and_leaves_nothing_half_done(
    loaded: Terminal, sandbox: Sandbox, arguments: tuple[str, ...], waits_at: str | HasCome, number: signal.Signals
) -> None:
    count = loaded(*COUNT).out
    sandbox.options.apsis.pending_s = 3600.0
    has_come = made_to_wait(sandbox, waits_at) if isinstance(waits_at, str) else waits_at
    server = Stopping(loaded.server, number, lambda seconds: has_come(loaded, seconds))
    ended = replace(loaded, server=server)(*arguments)
    assert ended.code == CODES[number], ended.err
    assert [line for line in ended.err.splitlines() if line and " export " not in line] == [SAYS]
    assert [path for path in loaded.folder.rglob("*") if "rebuilding" in path.name or path.suffix == ".tmp"] == []
    assert loaded(*COUNT).out == count


def test_a_command_that_is_stopped_while_it_is_imported_ends_without_a_word(tmp_path: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    module, _, function = project["scripts"]["journey-pipeline"].partition(":")
    program = f"from {module} import {function}; {function}()"
    imported = "import os, sys\nos.write(1, b'here')\nsys.stdin.read()\n"
    (tmp_path / "click.py").write_text(imported)  # the first that the program imports
    with subprocess.Popen(
        [sys.executable, "-c", program, "status"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as running:
        assert running.stdout
        assert running.stdout.read(4) == b"here"
        running.send_signal(signal.SIGINT)
        _, said = running.communicate()
    assert (running.returncode, said) == (-signal.SIGINT, b"")


@pytest.fixture
def gone() -> Iterator[int]:
    """A pipe whose reader has gone, as `head` does."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


def test_a_reader_who_has_gone_ends_a_query_without_a_word(loaded: Terminal, gone: int) -> None:
    for form in ("csv", "json"):
        ended = replace(loaded, server=Piped(gone))("query", "from core.journey_events", "--format", form)
        assert (ended.code, ended.err) == (1, "")


def test_a_reader_who_has_gone_stops_no_work(loaded: Terminal, gone: int) -> None:
    ended = replace(loaded, server=Piped(gone))("normalize", "sfmc", *HOUR)
    assert ended.code == 0, ended.err
    assert "partitions added" in ended.err


def test_a_full_output_is_named_and_not_the_home(loaded: Terminal) -> None:
    with Path("/dev/full").open("wb") as full:
        ended = replace(loaded, server=Piped(full.fileno()))("query", "select 1", "--format", "csv")
    assert ended.code == 1
    assert ended.err.startswith("Error: the output can't be written (No space left on device).")
    assert len(ended.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("closed", "arguments", "ends"),
    [
        ("2>&-", ("query", "select 42 as n", "--format", "csv"), (0, "n\n42\n", "")),
        ("<&-", ("query", "-"), (1, "", "Error: the query holds no statement.\n")),
        (">&- 2>&-", ("query", "select 42 as n", "--out", "closed.csv"), (0, "", "")),
    ],
)
def test_a_stream_that_is_closed_hinders_no_command(
    loaded: Terminal, closed: str, arguments: tuple[str, ...], ends: tuple[int, str, str]
) -> None:
    started = ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-m", "journey_pipeline.cli.main", *arguments]
    environment = os.environ | {"JOURNEY_PIPELINE_HOME": str(loaded.home)}
    done = subprocess.run(started, cwd=loaded.folder, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == ends
    written = loaded.folder / "closed.csv"
    assert "closed.csv" not in arguments or written.read_text() == "n\n42\n"
