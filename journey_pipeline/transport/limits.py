"""How often and how many at a time a connection may be asked, counted over all clients of this process.

Vendors throttle by account, so the counters are kept by the connection's name and threads are served in the order in
which they came. Not here: what happens once a vendor has throttled (`retry.py`).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from journey_pipeline.errors import ConfigError
from journey_pipeline.transport import retry


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one connection. The defaults are for vendors that publish none (assumed).

    Attributes:
        requests_per_s: Starts of requests, spread evenly.
        concurrency: Calls at a time. A call that waits for its next attempt keeps its place: a vendor in trouble is
            not asked by the next in line.
    """

    requests_per_s: float = 1.0
    concurrency: int = 2

    def __post_init__(self) -> None:
        if self.requests_per_s <= 0 or self.concurrency < 1:
            raise ConfigError(f"limits must be above zero, got {self}")

    def paced(self, requests_per_s: str | None) -> Limits:
        """The same with a pace that a variable gives; as they are where it is not set.

        Raises:
            ConfigError: If it is not a number above zero.
        """
        if requests_per_s is None:
            return self
        try:
            return replace(self, requests_per_s=float(requests_per_s))
        except ValueError:
            raise ConfigError(
                f"REQUESTS_PER_SECOND of a connection is {requests_per_s!r}; write a number such as 1.5"
            ) from None


class Gate:
    """The counters of one connection. Each client brings its own limits to them."""

    def __init__(self) -> None:
        self._turn = threading.Condition()
        self._queue: deque[object] = deque()
        self._active = 0
        self._next_at_s = 0.0

    @contextmanager
    def slot(self, limits: Limits) -> Iterator[None]:
        """Holds one of the connection's places, first come, first served."""
        ticket = object()
        with self._turn:
            self._queue.append(ticket)
            try:
                self._turn.wait_for(lambda: self._queue[0] is ticket and self._active < limits.concurrency)
                self._active += 1
            finally:
                self._queue.remove(ticket)
                self._turn.notify_all()
        try:
            yield
        finally:
            with self._turn:
                self._active -= 1
                self._turn.notify_all()

    def pace(self, limits: Limits) -> None:
        """Waits for the next moment at which a request may start."""
        with self._turn:
            now_s = retry.monotonic_s()
            start_s = max(now_s, self._next_at_s)
            self._next_at_s = start_s + 1 / limits.requests_per_s
        retry.wait(start_s - now_s, for_rate=True)

    def pause(self, seconds: float) -> None:
        """Delays all requests of the connection, because the vendor asked one of them to wait."""
        with self._turn:
            self._next_at_s = max(self._next_at_s, retry.monotonic_s() + seconds)


_gates: dict[str, Gate] = {}
_gates_lock = threading.Lock()


def gate(connection: str) -> Gate:
    """The counters of a connection, the same for every client of this process."""
    with _gates_lock:
        return _gates.setdefault(connection, Gate())
