"""Progress of long work, shown as a bar in a terminal, or not at all.

The watcher is set for the current context; threads are handed the watcher that they started with. Not here: how it is
drawn (`cli/progress.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime

from journey_pipeline.exports.export import Export


class Progress:
    """A watcher, which shows nothing by itself. Several threads call it."""

    def planned(self, title: str, partitions: int) -> None:
        """Work on so many partitions begins."""

    def expected(self, rows: int) -> None:
        """A partition's estimate came."""

    def received(self, count: int) -> None:
        """Counts received bytes."""

    def waits_for(self, exports: Sequence[Export], now: datetime) -> None:
        """The exports of the connection that are under way, and those of this load that have landed, each time anew."""

    def done(self, partition: str, rows: int, error: str | None) -> None:
        """A partition is finished, or has failed."""


_watcher: ContextVar[Progress] = ContextVar("journey_pipeline_progress", default=Progress())  # noqa: B039 - it has no state


def current() -> Progress:
    """The watcher now."""
    return _watcher.get()


@contextmanager
def watched_by(progress: Progress) -> Iterator[None]:
    """Inside the block, work that starts tells this watcher."""
    token = _watcher.set(progress)
    try:
        yield
    finally:
        _watcher.reset(token)
