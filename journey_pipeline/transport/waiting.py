"""The one place of the transport that sleeps and tells time, so that tests can switch the sleeping off.

While the switch is on, a wait is recorded and the monotonic clock is moved on by it: deadlines, rates and token
lifetimes behave as if the time had passed. Not here: why anybody waits (`retry.py`, `limits.py`).
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

NO_WAITING_VARIABLE = "JOURNEY_PIPELINE_NO_WAITING"
_SHORTEST_S = 0.001


class Waits(list[float]):
    """The waits that were not slept, in seconds: those before another attempt.

    Attributes:
        rate_limited: Those that only kept a connection's rate.
    """

    def __init__(self) -> None:
        super().__init__()
        self.rate_limited: list[float] = []


class _Clock:
    """How far the monotonic clock was moved on. It never goes back, not even when a switch is turned off."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.ahead_s = 0.0
        self.switches: list[Waits] = []


_clock = _Clock()


def monotonic_s() -> float:
    """Seconds on a clock that only moves forward, waits that were skipped included."""
    return time.monotonic() + _clock.ahead_s


def utc_now() -> datetime:
    """The time of day, UTC."""
    return datetime.now(UTC)


def wait(seconds: float, *, for_rate: bool = False) -> None:
    """Sleeps, or records the wait while waiting is switched off.

    Args:
        seconds: How long; nothing happens for less than a millisecond.
        for_rate: Whether it only keeps a connection's rate.
    """
    if seconds < _SHORTEST_S:
        return
    until_s = monotonic_s() + seconds
    with _clock.lock:
        skipped = bool(_clock.switches) or os.environ.get(NO_WAITING_VARIABLE, "") not in {"", "0"}
        if skipped:
            # Threads that wait at the same time wait together, so the clock moves to a moment, not by an amount.
            _clock.ahead_s = max(_clock.ahead_s, until_s - time.monotonic())
            for waits in _clock.switches:
                (waits.rate_limited if for_rate else waits).append(seconds)
    if not skipped:
        time.sleep(seconds)


@contextmanager
def no_waiting() -> Iterator[Waits]:
    """For tests: nobody in this process sleeps, and the waits are recorded, from whatever thread.

    A child process is told by the variable `JOURNEY_PIPELINE_NO_WAITING=1`, which is read at every wait.
    """
    waits = Waits()
    with _clock.lock:
        _clock.switches.append(waits)
    try:
        yield waits
    finally:
        with _clock.lock:
            _clock.switches = [other for other in _clock.switches if other is not waits]
