"""The question of the receiver: how fast it answers while others hang, and while the ledger is locked.

Not here: what a call must hold (`journey_pipeline/receiver/`), how figures are shown (`tables.py`).
"""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from benchmarks.processes import ROOT, ContenderError
from benchmarks.tables import table
from benchmarks.turns import Effort, new_folder
from journey_pipeline.exports.database import open_ledger
from journey_pipeline.exports.export import Export, Order, State
from journey_pipeline.exports.ledger import Ledger
from journey_pipeline.exports.policy import ExportPolicy
from journey_pipeline.exports.queue import Queue
from journey_pipeline.exports.turns import listed
from journey_pipeline.model import Granularity, StreamKey, Window, floor
from journey_pipeline.settings import utc_now

_PARTNER, _EVENTS = "acmeshop", StreamKey("insider", "insider", "user_events")
_DAY = timedelta(days=1)
_DRAINED_WITHIN_S = 30.0
_HALVES = (b"", b"POST /x", b"POST /x HTTP/1.1\r\nHost: x\r\nX-Slow: ")


@dataclass(frozen=True, slots=True)
class _Served:
    """A receiver in a process of its own, and the exports whose calls it waits for."""

    port: int
    pid: int
    ledger: Ledger
    exports: Sequence[Export]

    def call(self, export: Export) -> float:
        """One call on a new connection, as a vendor makes it; seconds until it was answered."""
        return self._timed("POST", f"/{export.hook}", json.dumps({"url": _link(export.id)}))

    def look(self) -> float:
        """The question whether the receiver is there, on a new connection; seconds until it was answered."""
        return self._timed("GET", "/health", None)

    def _timed(self, method: str, path: str, body: str | None) -> float:
        started_s = time.perf_counter()
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
            connection.request(method, path, body)
            status = connection.getresponse().status
        if status != http.HTTPStatus.OK:
            raise ContenderError(f"{method} was answered with {status}")
        return time.perf_counter() - started_s

    @property
    def cpu_s(self) -> float:
        """Processor time of the process so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def peak_mib(self) -> float:
        """The most memory that the process has held so far."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        return int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) / 1024


def receiver(effort: Effort) -> str:
    """Calls while 1,000 clients hang and while the ledger is locked for 5 s; requests that name no hook; memory."""
    idle, calls, waiting = (effort.size(*sizes) for sizes in ((1_000, 30), (200, 5), (40, 3)))
    guesses, locked_s = effort.size(20_000, 200), 5.0 if not effort.quick else 1.5
    with new_folder() as home, _serving(home, calls + waiting) as served:
        took_s, floor_s = map(sorted, _while_others_hang(served, served.exports[:calls], idle))
        effort.tell(f"{calls} calls while {idle} clients hang")
        a_cpu_s = _guesses_a_cpu_s(served, guesses)
        effort.tell(f"{guesses} guesses: {a_cpu_s:,.0f} a cpu s")
        waited_s = _while_locked(home, served, served.exports[calls:], locked_s)
        lost = len(served.exports) - _kept(served.ledger, len(served.exports))
        peak_mib = served.peak_mib
    rows = [
        [f"a call while {idle:,} clients hang, median", _ms(took_s, 50), ""],
        ["the same, 99th percentile", _ms(took_s, 99), "< 50 ms"],
        ["floor, in turn with them: the question whether it is there, median", _ms(floor_s, 50), ""],
        ["the same, 99th percentile", _ms(floor_s, 99), ""],
        ["requests that name no hook, a processor second of the receiver", f"{a_cpu_s:,.0f}", ">= 2,000"],
        [f"the slowest call while the ledger is locked for {locked_s:g} s", f"{max(waited_s):.2f} s", "<= 1.5 s"],
        [f"calls lost of {len(served.exports)}", str(lost), "0"],
        ["peak of the receiver", f"{peak_mib:.0f} MiB", "< 120 MiB"],
    ]
    return table(["what", "measured", "target"], rows)


def _while_others_hang(served: _Served, exports: Sequence[Export], idle: int) -> tuple[list[float], list[float]]:
    """Seconds of each call and of each look; the others are cut off in time, so that all hang at the start alone."""
    with ExitStack() as held:
        for number in range(idle):
            hanging = held.enter_context(socket.create_connection(("127.0.0.1", served.port), timeout=20))
            hanging.sendall(_HALVES[number % len(_HALVES)])
        took_s = [(served.call(export), served.look()) for export in exports]
    return [call_s for call_s, _ in took_s], [look_s for _, look_s in took_s]


def _ms(sorted_s: Sequence[float], percentile: int) -> str:
    return f"{sorted_s[len(sorted_s) * percentile // 100] * 1000:.1f} ms"


def _guesses_a_cpu_s(served: _Served, count: int) -> float:
    before_s = served.cpu_s
    with closing(http.client.HTTPConnection("127.0.0.1", served.port, timeout=20)) as connection:
        for _ in range(count):
            connection.request("GET", "/guess")
            answer = connection.getresponse()
            answer.read()
            if answer.status not in {http.HTTPStatus.NOT_FOUND, http.HTTPStatus.TOO_MANY_REQUESTS}:
                raise ContenderError(f"a guess was answered with {answer.status}")
    return count / (served.cpu_s - before_s)


def _while_locked(home: Path, served: _Served, exports: Sequence[Export], locked_s: float) -> list[float]:
    """Seconds of each call, four at a time, while another process writes the ledger."""
    with (
        closing(sqlite3.connect(home / "exports.db", isolation_level=None)) as locking,
        ThreadPoolExecutor(4) as callers,
    ):
        locking.execute("begin immediate")
        ends_s = time.perf_counter() + locked_s
        took_s = list(callers.map(served.call, exports))
        time.sleep(max(0.0, ends_s - time.perf_counter()))
        locking.execute("rollback")
    return took_s


def _kept(ledger: Ledger, calls: int) -> int:
    """How many exports have their link once the calls that waited in files were taken, or the time is over."""
    until_s = time.perf_counter() + _DRAINED_WITHIN_S
    while (ready := sum(one.state is State.READY for one in listed(ledger))) < calls and time.perf_counter() < until_s:
        time.sleep(0.2)
    return ready


@contextmanager
def _serving(home: Path, calls: int) -> Iterator[_Served]:
    command = [sys.executable, "-m", "journey_pipeline.cli.main", "receiver", "--port", "0"]
    environment = os.environ | {"JOURNEY_PIPELINE_HOME": str(home), "INSIDER_PARTNER_NAME": _PARTNER}
    with open_ledger(f"sqlite:///{home / 'exports.db'}") as ledger:
        exports = [_asked(ledger, day) for day in range(calls)]
        with subprocess.Popen(  # noqa: S603 - our own command
            command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                assert process.stderr is not None  # noqa: S101 - it was asked for
                ports = (re.search(r"http://127\.0\.0\.1:(\d+)", line) for line in process.stderr)
                port = next((int(found[1]) for found in ports if found), None)
                if port is None:
                    raise ContenderError("the receiver did not start")
                yield _Served(port, process.pid, ledger, exports)
            finally:
                process.send_signal(signal.SIGTERM)


def _asked(ledger: Ledger, day: int) -> Export:
    """An export that was asked for, so that a call may come."""
    policy = replace(ExportPolicy(), hook_life=2 * _DAY, is_polled=False, pending_limit=None)
    queue = Queue("insider", ledger, policy, utc_now, {})
    start = floor(utc_now(), Granularity.DAY) - (day + 1) * _DAY
    queue.want(Order(_EVENTS, f"{start:%Y-%m-%d}", Window(start, start + _DAY), {}))
    export = queue.next_to_ask()
    if export is None:
        raise ContenderError("no export could be asked for")
    return export


def _link(number: int) -> str:
    """A link as the vendor gives them, signed now."""
    return (
        f"https://insider-data-export.useinsider.com/{_PARTNER}/p/{number}.parquet?X-Amz-Algorithm=AWS4-HMAC-SHA256"
        f"&X-Amz-Credential=AKIAEXAMPLE%2Fs3&X-Amz-Date={utc_now():%Y%m%dT%H%M%SZ}&X-Amz-Expires=86400"
        f"&X-Amz-SignedHeaders=host&X-Amz-Signature={'5e' * 32}"
    )
