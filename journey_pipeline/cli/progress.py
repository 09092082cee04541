"""A bar on standard error for work that is long: partitions, rows and bytes so far, and how long it still takes.

Off a terminal it draws nothing while it goes on. Not here: who reports progress (`loading/`).
"""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from journey_pipeline.loading.progress import watched_by

MEGABYTE = 1_000_000


class ProgressBar:
    """Draws the progress of everything that starts inside its `with` block.

    Args:
        console: Where to; standard error as a rule.
        total: How many partitions there will be in all.
        title: What is going on.
    """

    def __init__(self, console: Console, total: int, title: str) -> None:
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rows]:,} rows  {task.fields[megabytes]:.1f} MB"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[says]}"),
            console=console,
            transient=True,
        )
        self._task = self._bar.add_task(title, total=total, rows=0, megabytes=0.0, says="")
        self._lock = threading.Lock()
        self._watched = watched_by(self)
        self.rows = 0
        self.bytes = 0
        self.failed: dict[str, str] = {}

    def __enter__(self) -> Self:
        self._bar.start()
        self._watched.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watched.__exit__(kind, error, trace)
        self._bar.stop()

    def planned(self, title: str, partitions: int) -> None:
        """The total is known from the start."""

    def expected(self, rows: int) -> None:
        """The estimate of one partition; the bar counts partitions."""

    def received(self, count: int) -> None:
        """Bytes came."""
        with self._lock:
            self.bytes += count
            self._bar.update(self._task, megabytes=self.bytes / MEGABYTE)

    def says(self, text: str) -> None:
        """What is going on just now."""
        self._bar.update(self._task, says=text)

    def done(self, partition: str, rows: int, error: str | None) -> None:
        """A partition is finished or has failed."""
        with self._lock:
            self.rows += rows
            if error:
                self.failed[partition] = error
            self._bar.update(self._task, advance=1, rows=self.rows)
