"""Progress in a terminal: a bar of partitions, rows and bytes, and below it the exports under way.

Without a terminal nothing is drawn; a line reports each change of an export, so that a log shows it too.
Not here: who reports progress (`loading/`).
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

from journey_pipeline.cli.output import days, duration, narrow, plain_table
from journey_pipeline.exports.export import ENDED, Export, State
from journey_pipeline.loading.landing import Progress, watched_by

MEGABYTE = 1_000_000
MOST_EXPORTS = 12
LONGEST_BAR, SHORTEST_BAR = 40, 8
_SPARE = ("export", "polls", "attempt", "ready")
_KINDS = {State.READY: "ready", State.LANDED: "landed", State.STOPPED: "stopped"}


class ProgressBar(Progress):
    """Draws the progress of everything that starts inside its `with` block.

    Args:
        console: Where to; standard error as a rule.
        total: How many partitions there will be in all.
    """

    def __init__(self, console: Console, total: int, title: str) -> None:
        self._console = console
        self._bar = Bar(console=console)
        self._task = self._bar.add_task(title, total=total, rows=0, megabytes=0.0)
        self._exports: tuple[Sequence[Export], datetime, float] | None = None
        self._told: dict[int, str] = {}
        self._live = Live(console=console, get_renderable=self._drawn, transient=True)
        self._lock = threading.Lock()
        self._watched = watched_by(self)
        self.rows = 0
        self.bytes = 0
        self.failed: dict[str, str] = {}

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        self._watched.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watched.__exit__(kind, error, trace)
        self._live.stop()

    def received(self, count: int) -> None:
        """Bytes came."""
        with self._lock:
            self.bytes += count
            self._bar.update(self._task, megabytes=self.bytes / MEGABYTE)

    def waits_for(self, exports: Sequence[Export], now: datetime) -> None:
        """The exports that are under way, and those that have landed meanwhile."""
        self._exports = (exports, now, time.monotonic())
        if self._console.is_terminal:
            return
        for export in exports:
            if self._told.get(export.id) != export.standing:
                self._told[export.id] = export.standing
                self._console.print(f"{now:%H:%M:%S} {export}", highlight=False, markup=False, soft_wrap=True)

    def done(self, partition: str, rows: int, error: str | None) -> None:
        """A partition is finished or has failed."""
        with self._lock:
            if error and self._exports and error not in self.failed.values():  # others may be waited for, for hours
                self._console.print(f"{partition} failed: {error}", markup=False, highlight=False, soft_wrap=True)
            self.rows += rows
            if error:
                self.failed[partition] = error
            self._bar.update(self._task, advance=1, rows=self.rows)

    def _drawn(self) -> RenderableType:
        self._bar.columns = _columns(self._console, self._bar)
        bar = self._bar.get_renderable()
        if self._exports is None:
            return bar
        exports, then, then_s = self._exports
        now = then + timedelta(seconds=time.monotonic() - then_s)  # it goes on while a file comes
        return Group(bar, _shown(self._console, exports, now), counted(exports))


class SyncProgress(ProgressBar):
    """The same for a sync, which works on partitions only after an upgrade: nothing is drawn until it does."""

    def __init__(self, console: Console) -> None:
        super().__init__(console, 0, "")
        self._total = 0

    def __enter__(self) -> Self:
        self._watched.__enter__()
        return self

    def planned(self, title: str, partitions: int) -> None:
        """An earlier version made the events of so many partitions of a stream."""
        self._total += partitions
        self._bar.update(self._task, description=title, total=self._total)
        if self._console.is_terminal:
            self._live.start()
        else:
            self._console.print(f"{title}: makes the events of {partitions:,} partitions again", highlight=False)


def _columns(console: Console, bar: Bar) -> tuple[ProgressColumn, ...]:
    """What a bar shows: on a narrow terminal not the least important, and on the narrowest only names and counts."""
    name, count = TextColumn("{task.description}"), MofNCompleteColumn()
    figures = TextColumn("{task.fields[rows]:,} rows  {task.fields[megabytes]:.1f} MB")
    left = (TextColumn("left"), TimeRemainingColumn())
    for more in ((figures, TimeElapsedColumn(), *left), (figures, *left), left, ()):
        width = sum(max(len(column(task)) + 1 for task in bar.tasks) for column in (name, count, *more))
        if width <= console.width:
            break
    room = min(console.width - width - 1, LONGEST_BAR)
    return (name, *([BarColumn(room)] if room >= SHORTEST_BAR else []), count, *more)


def _shown(console: Console, exports: Sequence[Export], now: datetime) -> RenderableType:
    """The exports under way as a table, or as lines where the terminal is too narrow for one."""
    under_way = [export for export in exports if export.state not in ENDED | {State.SPLIT}]
    table = _table(exports, under_way, now)
    if narrow(console, table):
        return table
    lines = [_lines(export, now) for export in under_way[:MOST_EXPORTS]]
    return Text("\n".join([*lines, str(table.caption)] if table.caption else lines))


def _lines(export: Export, now: datetime) -> str:
    step = _next(export, now)
    return f"{export.key} {export.standing}\n  {days(export.window)}{step and f', next {step}'}"


def _table(exports: Sequence[Export], under_way: Sequence[Export], now: datetime) -> Table:
    """Their states, how long ago each was asked for and ready, and the next step's time.

    A column that would say nothing is left out.
    """
    columns: dict[str, Callable[[Export], str]] = {
        "export": lambda export: str(export.id),
        "stream": lambda export: str(export.key),
        "window": lambda export: days(export.window),
        "state": lambda export: export.standing,
        "attempt": lambda export: str(export.attempt),
        "polls": lambda export: str(export.polls),
        "asked": lambda export: _ago(export.asked_at, now),
        "ready": lambda export: _ago(export.ready_at, now),
        "next": lambda export: _next(export, now),
    }
    if len({export.key for export in exports}) == 1:
        del columns["stream"]
    for name in ("attempt", "polls"):
        if all(getattr(export, name) <= (name == "attempt") for export in under_way):
            del columns[name]
    table = plain_table(*columns, right=tuple(set(columns) - {"stream", "window", "state"}), spare=_SPARE)
    for export in under_way[:MOST_EXPORTS]:
        table.add_row(*(tell(export) for tell in columns.values()))
    if len(under_way) > MOST_EXPORTS:
        table.caption = f"and {len(under_way) - MOST_EXPORTS} more"
    return table


def _ago(at: datetime | None, now: datetime) -> str:
    return "-" if at is None else duration(now - at)


def _next(export: Export, now: datetime) -> str:
    if export.state in {State.READY, State.STOPPED}:
        return ""
    return f"in {duration(export.due_at - now)}" if export.due_at > now else "now"


def counted(exports: Sequence[Export]) -> Text:
    """The numbers of pending, ready and landed exports; the parts of a split export count singly."""
    split = {export.parent_id for export in exports}
    kinds = Counter(_KINDS.get(export.state, "pending") for export in exports if export.id not in split)
    shown = [kind for kind in ("pending", "ready", "landed", "stopped") if kinds[kind] or kind != "stopped"]
    return Text(", ".join(f"{kinds[kind]} {kind}" for kind in shown), style="dim")
