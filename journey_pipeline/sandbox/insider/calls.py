"""The calls to webhooks: each once, when its export is ready on the sandbox's clock; no retry, no redirect.

Not here: what a call says (`simulator.py`).
"""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from journey_pipeline.sandbox.clock import SandboxClock

_TICK_S = 0.02
_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class DueCall:
    """A call that is to be made.

    Attributes:
        at: When, on the sandbox's clock.
        hook: Where.
        bodies: Gives what is said, one for each call; makes the file.
    """

    at: datetime
    hook: str
    bodies: Callable[[], list[dict[str, Any]]]


@dataclass
class Caller:
    """Makes the calls that are due, from a thread that starts with the first of them.

    Attributes:
        answers: The statuses that calls were answered with; 0 where no answer came.
    """

    clock: SandboxClock
    answers: list[int] = field(default_factory=list)
    _due: list[DueCall] = field(default_factory=list)
    _under_way: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _closed: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def add(self, call: DueCall) -> None:
        """Makes a call when it is due."""
        with self._lock:
            self._due.append(call)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="insider-calls", daemon=True)
                self._thread.start()

    def make(self, call: DueCall) -> None:
        """Makes a call now."""
        for body in call.bodies():
            self.answers.append(_post(call.hook, body))

    def settle(self) -> None:
        """Waits until the calls that are due by now have been made."""
        while not self._closed.is_set():
            with self._lock:
                if not self._under_way and not any(call.at <= self.clock.now() for call in self._due):
                    return
            self._closed.wait(_TICK_S / 4)

    def clear(self) -> None:
        """Forgets the calls that are due."""
        with self._lock:
            self._due.clear()

    def close(self) -> None:
        """Makes no more calls."""
        self._closed.set()

    def _run(self) -> None:
        while not self._closed.wait(_TICK_S):
            with self._lock:
                now = self.clock.now()
                due = [call for call in self._due if call.at <= now]
                self._due = [call for call in self._due if call.at > now]
                self._under_way = len(due)
            for call in due:
                self.make(call)
            self._under_way = 0


def _post(hook: str, body: dict[str, Any]) -> int:
    parts = urlsplit(hook)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=_TIMEOUT_S)
    try:
        connection.request("POST", parts.path, json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()
    return answer.status
