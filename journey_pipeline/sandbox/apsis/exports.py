"""The exports that were ordered and what has become of them by now: pending, ready, failed, gone.

Not here: the answers that say so (`profile_exports.py`, `email_reports.py`), and what a file holds.
"""

from __future__ import annotations

import enum
import secrets
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from journey_pipeline.sandbox.apsis.envelope import RefusedError
from journey_pipeline.sandbox.apsis.generated import Generated, total
from journey_pipeline.sandbox.apsis.options import ApsisOptions

_MOST_EXPORTS = 10_000


class State(enum.Enum):
    """What has become of an export."""

    PENDING = "pending"
    READY = "ready"
    FAILED = "failed"
    GONE = "gone"


@dataclass(eq=False)
class Export:
    """One export.

    Attributes:
        id: Such as `ex-7-9f2c51c9`.
        ready_at: When it is done, well or badly.
        gone_at: When it can no longer be had.
        file: What it is.
        fails: Whether it fails in any case.
        events: The figures that its number of events is the sum of.
        most_events: It fails with more of them; None for no limit.
        closed: Set when the sandbox is being stopped.
    """

    id: str
    ready_at: datetime
    gone_at: datetime
    file: Generated
    fails: bool
    events: Callable[[], Iterable[int]]
    most_events: int | None
    closed: threading.Event

    def state(self, now: datetime) -> State:
        """What has become of it."""
        if now >= self.gone_at:
            return State.GONE
        if now < self.ready_at:
            return State.PENDING
        return State.FAILED if self.fails or self._is_too_large else State.READY

    @cached_property
    def _is_too_large(self) -> bool:
        return self.most_events is not None and total(self.events(), self.closed) > self.most_events


class Exports:
    """All exports of both kinds; thread-safe.

    Attributes:
        closed: Set when the sandbox is being stopped.
    """

    def __init__(self, options: ApsisOptions) -> None:
        self._options = options
        self._exports: dict[str, Export] = {}
        self._lock = threading.Lock()
        self._ordered = 0
        self.closed = threading.Event()

    def order(
        self,
        kind: str,
        file: Generated,
        events: Callable[[], Iterable[int]],
        *,
        life_s: float,
        fails: bool,
        now: datetime,
    ) -> Export:
        """Takes an order.

        Args:
            kind: What its id starts with.
            events: The figures that its number of events is the sum of.
            life_s: How long it can be had, from now.
            fails: Whether it fails in any case.

        Raises:
            RefusedError: 429 if too many exports are under way.
        """
        options = self._options
        with self._lock:
            pending = sum(now < export.ready_at for export in self._exports.values())
            if pending >= options.pending_limit:
                retry_after = options.pending_retry_after_s
                headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
                raise RefusedError(429, f"{pending} exports are pending already.", headers=headers)
            self._ordered += 1
            export = Export(
                id=f"{kind}-{self._ordered}-{secrets.token_hex(4)}",
                ready_at=now + timedelta(seconds=options.pending_s),
                gone_at=now + timedelta(seconds=life_s),
                file=file,
                fails=fails,
                events=events,
                most_events=options.most_events,
                closed=self.closed,
            )
            while len(self._exports) >= _MOST_EXPORTS:
                del self._exports[next(iter(self._exports))]
            self._exports[export.id] = export
        return export

    def find(self, export_id: str) -> Export | None:
        """The export with an id, None if there never was one."""
        with self._lock:
            return self._exports.get(export_id)

    def clear(self) -> None:
        """Forgets all exports."""
        with self._lock:
            self._exports.clear()
