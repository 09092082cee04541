"""Processes: the vendor that everyone asks, and contenders measured from outside.

Time is the wall clock from start to end of a process; processor time and peak memory are what the system kept of that
one process. Not here: in which order and how often (`questions.py`).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.task import END, HOME, MEBIBYTE, START

ROOT = Path(__file__).parent.parent
# Far above what a contender reaches, so that nobody is measured by a pause between requests.
PACE = {"SFMC_REQUESTS_PER_SECOND": "100000", "APSIS_REQUESTS_PER_SECOND": "100000"}
QUIET = {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR", "DAGSTER_DISABLE_TELEMETRY": "true"}


class ContenderError(Exception):
    """A contender failed, or did other work than the others."""


@dataclass(frozen=True, slots=True)
class Vendor:
    """A vendor that is being served.

    Attributes:
        environment: How a contender finds it and what it is to load.
        rows: Rows of all its hours, or events of its export.
        records: Records of the export's file, which holds some events twice.
        raw_bytes: Size of that file, inflated.
    """

    environment: Mapping[str, str]
    rows: int
    records: int = 0
    raw_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of one contender.

    Attributes:
        wall_s: Seconds from start to end of the process.
        cpu_s: Seconds of processors, user and system.
        peak_mib: The most memory that it held at once.
        said: What it said: `rows`, `work_s` and figures of its own.
    """

    wall_s: float
    cpu_s: float
    peak_mib: float
    said: Mapping[str, Any] = field(default_factory=dict)


def serving(hours: int, rows: int) -> AbstractContextManager[Vendor]:
    """A vendor with so many hours of so many rows, ready to answer."""
    return _serving("vendor", hours, rows)


def serving_export(rows_per_hour: int, profiles: int) -> AbstractContextManager[Vendor]:
    """A vendor with one export, of a day of a world so busy and so many profiles besides, ready to be ordered."""
    return _serving("export_vendor", rows_per_hour, profiles)


@contextmanager
def _serving(module: str, *sizes: int) -> Iterator[Vendor]:
    command = [sys.executable, "-m", f"benchmarks.{module}", *map(str, sizes)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own module
        assert process.stdout is not None  # noqa: S101 - it was asked for
        try:
            line = process.stdout.readline()
            if not line:
                raise ContenderError("the vendor did not start; what it said stands above")
            about = json.loads(line)
            environment = about.pop("environment") | {START: about.pop("start"), END: about.pop("end")} | PACE
            yield Vendor(environment, **about)
        finally:
            process.terminate()


def run(contender: str, home: Path, environment: Mapping[str, str], *arguments: str) -> Measured:
    """Runs a contender to its end.

    Args:
        contender: Its module's name in `contenders/`.
        home: The folder it works in; made if it is not there.
        environment: What it needs besides this process's.

    Raises:
        ContenderError: If it failed; says the end of what it wrote.
    """
    home.mkdir(parents=True, exist_ok=True)
    given = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}
    given |= QUIET | dict(environment) | {HOME: str(home)}
    command = [sys.executable, "-m", f"benchmarks.contenders.{contender}", *arguments]
    output = home / "output.txt"
    with output.open("wb") as written:
        started_s = time.perf_counter()
        process = subprocess.Popen(  # noqa: S603 - our own module
            command, cwd=ROOT, env=given, stdin=subprocess.DEVNULL, stdout=written, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - started_s
    process.returncode = os.waitstatus_to_exitcode(status)  # it has been waited for already
    lines = output.read_text(encoding="utf-8", errors="replace").splitlines()
    if process.returncode or not lines:
        end = "\n".join(lines[-20:])
        raise ContenderError(f"{contender} ended with {process.returncode}:\n{end}")
    peak_mib = usage.ru_maxrss * 1024 / MEBIBYTE
    return Measured(wall_s, usage.ru_utime + usage.ru_stime, peak_mib, json.loads(lines[-1]))
