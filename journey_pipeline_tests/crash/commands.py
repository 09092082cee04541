"""The command as a process group that can be killed: forked from a server, or a fresh interpreter.

Not here: what the server does (`command_server.py`), when to kill (`kills.py`).
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

SERVER = Path(__file__).with_name("command_server.py")
LIMIT_S = 120.0  # a command that takes longer hangs: one takes some two seconds
LOOK_EVERY_S = 0.005
# Native libraries whose threads would not survive the fork.
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}

Instant = Callable[[float], bool]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: its exit code, negative for a signal, what it wrote, and how long it took."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def was_killed(self) -> bool:
        return self.code == -signal.SIGKILL


@dataclass(frozen=True, slots=True)
class Request:
    """What to run: arguments, the whole environment, the working directory, and the signal at the instant."""

    arguments: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    ending: signal.Signals = signal.SIGKILL

    @property
    def out(self) -> Path:
        return self.folder / "command.out"

    @property
    def err(self) -> Path:
        return self.folder / "command.err"


class Starter(Protocol):
    """A way of running a command."""

    def run(self, request: Request, kill_at: Instant | None = None) -> Ended:
        """Runs a command, and ends its process group as soon as `kill_at(seconds since its start)` is true."""
        ...


class FreshInterpreter:
    """Each command is a new interpreter, as from a shell."""

    def run(self, request: Request, kill_at: Instant | None = None) -> Ended:
        """As for `Starter`."""
        begun = time.monotonic()
        with request.out.open("wb") as out, request.err.open("wb") as err:
            process = subprocess.Popen(
                [sys.executable, "-m", "journey_pipeline.cli.main", *request.arguments],
                cwd=request.folder,
                env=dict(request.environment),
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        _watch(process.pid, kill_at, request.ending)
        return _ended(request, process.wait(), begun)


class CommandServer:
    """Each command is a fork of a process that has imported everything: of this project's program, or of `dg`."""

    def __init__(self, program: str = "journey-pipeline") -> None:
        environment = {"PATH": os.environ["PATH"], "PYTHONWARNINGS": "error::ResourceWarning", **ONE_THREAD}
        self._process = subprocess.Popen(
            [sys.executable, str(SERVER), program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    def run(self, request: Request, kill_at: Instant | None = None) -> Ended:
        """As for `Starter`."""
        begun = time.monotonic()
        self._ask(
            arguments=list(request.arguments),
            environment=dict(request.environment),
            folder=str(request.folder),
            out=str(request.out),
            err=str(request.err),
        )
        _watch(self._answer()["pid"], kill_at, request.ending)
        return _ended(request, self._answer()["code"], begun)

    def _ask(self, **request: Any) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()

    def _answer(self) -> dict[str, int]:
        assert self._process.stdout
        answer: dict[str, int] = json.loads(self._process.stdout.readline())
        return answer


def _watch(leader: int, kill_at: Instant | None, ending: signal.Signals) -> None:
    """Waits for the end of a group's leader; ends it at the instant, and kills it once it hangs or nobody waits."""
    begun = time.monotonic()
    try:
        watched = os.pidfd_open(leader)
    except ProcessLookupError:
        return  # it has ended, and somebody has waited for it
    poll = select.poll()
    poll.register(watched, select.POLLIN)
    try:
        while not poll.poll(LOOK_EVERY_S * 1000 if kill_at else LIMIT_S * 1000):
            seconds = time.monotonic() - begun
            if seconds > LIMIT_S or (kill_at and kill_at(seconds)):
                _end(leader, signal.SIGKILL if seconds > LIMIT_S else ending)
                kill_at = None
    except BaseException:
        _end(leader, signal.SIGKILL)
        raise
    finally:
        os.close(watched)


def _end(leader: int, number: signal.Signals) -> None:
    """Kills a group, or sends its leader another signal."""
    with suppress(ProcessLookupError):
        (os.killpg if number is signal.SIGKILL else os.kill)(leader, number)


def _ended(request: Request, code: int, begun: float) -> Ended:
    seconds = time.monotonic() - begun
    assert seconds < LIMIT_S, f"{request.arguments} hung for {LIMIT_S:.0f} s: {request.err.read_text()}"
    out, err = (path.read_text(errors="replace") for path in (request.out, request.err))
    return Ended(code, out, err, seconds)
