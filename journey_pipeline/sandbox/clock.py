"""The sandbox's clock, which can be moved, stopped and sped up.

Everything a simulated vendor knows about the present comes from here: what is visible, what has expired, whether a
token is still good. Not here: delays of an answer, which are real time (`wire.py`).
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Self

from journey_pipeline.errors import ConfigError


class SandboxClock:
    """Real time at first; thread-safe.

    Args:
        at: The present, aware; real time if None.
        speed: Seconds that pass in a second: 1 is real time, 0 stands still.
    """

    def __init__(self, at: datetime | None = None, *, speed: float = 1.0) -> None:
        self._lock = threading.Lock()
        self._anchor(at or datetime.now(UTC), speed)

    @classmethod
    def frozen(cls, at: datetime) -> Self:
        """A clock that stands at an instant until it is moved."""
        return cls(at, speed=0.0)

    @property
    def speed(self) -> float:
        """Seconds that pass in a second."""
        return self._speed

    def now(self) -> datetime:
        """The present, UTC."""
        with self._lock:
            return self._now()

    def set(self, at: datetime) -> None:
        """Jumps to an instant and goes on at the same speed."""
        with self._lock:
            self._anchor(at, self._speed)

    def move(self, by: timedelta) -> None:
        """Jumps forward, or back, and goes on at the same speed."""
        with self._lock:
            self._anchor(self._now() + by, self._speed)

    def freeze(self, at: datetime | None = None) -> None:
        """Stands still, at the present if no instant is given."""
        with self._lock:
            self._anchor(at or self._now(), 0.0)

    def run(self, speed: float = 1.0) -> None:
        """Goes on from the present, at real speed or a multiple of it."""
        with self._lock:
            self._anchor(self._now(), speed)

    def _now(self) -> datetime:
        return self._at + timedelta(seconds=(time.monotonic() - self._since_s) * self._speed)

    def _anchor(self, at: datetime, speed: float) -> None:
        if at.tzinfo is None:
            raise ConfigError(f"the sandbox's clock needs a time with a zone, got {at.isoformat()}: append Z")
        if speed < 0:
            raise ConfigError(f"the sandbox's clock can't run backwards, got the speed {speed:g}: use 0 or more")
        self._at = at.astimezone(UTC)
        self._since_s = time.monotonic()
        self._speed = speed
