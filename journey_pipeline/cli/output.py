"""Where the command line writes: results to standard output, everything else to standard error.

Colours and bars only on a terminal. Not here: what is written (the commands).
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta
from itertools import chain
from typing import IO, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, JustifyMethod, RenderableType
from rich.table import Column, Table
from rich.text import Text

from journey_pipeline.cli.standard_streams import read_no_more, standard_error, visible, visible_in_a_cell
from journey_pipeline.model import Granularity, Window, floor

_ANY_WIDTH = 10_000
_LEAST_OF_TEXT = 24  # a narrower column of sentences can't be read
_BETWEEN = 2
_UNITS = {"days": timedelta(days=1), "h": timedelta(hours=1), "min": timedelta(minutes=1), "s": timedelta(seconds=1)}


class _Console(Console):
    """A console that shows control characters as text, and lets the work go on after a broken pipe."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        read_no_more(self.file)

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(visible(text), **options)

    def say(self, text: str, *, style: str | None = None) -> None:
        """Prints text to the letter; a narrow terminal folds it."""
        self.print(text, style=style, markup=False, highlight=False, soft_wrap=True)

    def show(self, table: Table) -> None:
        """Prints a table, of which no cell is ever cut.

        A terminal that is too narrow for it gets folded text and no spare columns, or, if that is not enough, each row
        as lines of its own. Without a terminal, as in a pipe, it has all the width that it wants.
        """
        if not self.file.isatty():
            table.width = sum(_widths(self, table))
            self.print(table, soft_wrap=True)
        else:
            columns = list(table.columns)
            if not narrow(self, table):
                table.columns = columns
            self.print(table if _fits(self, table) else _upright(table))


class _Notes(_Console):
    """Standard error as it was when the program started, whatever takes its place meanwhile."""

    @property
    def file(self) -> IO[str]:
        return self._file or standard_error()

    @file.setter
    def file(self, file: IO[str]) -> None:
        self._file = file


def narrow(console: Console, table: Table) -> bool:
    """Takes spare columns out of a table until the console is wide enough for it; False if it never is."""
    spare = list(table.spare) if isinstance(table, _Table) else []
    while not _fits(console, table) and spare:
        name = spare.pop(0)
        kept = [column for column in table.columns if column.header != name]
        table.columns = [replace(column, _index=at) for at, column in enumerate(kept)]
    return _fits(console, table)


def _fits(console: Console, table: Table) -> bool:
    """Whether a console is wide enough for a table, where its texts may fold."""
    pairs = zip(_widths(console, table), table.columns, strict=True)
    return sum(width if column.no_wrap else min(width, _LEAST_OF_TEXT) for width, column in pairs) <= console.width


def _widths(console: Console, table: Table) -> list[int]:
    """The width of each column, with the blanks that follow."""
    options = console.options.update(width=_ANY_WIDTH)
    return [
        max(console.measure(cell, options=options).maximum for cell in chain([column.header], column.cells)) + _BETWEEN
        for column in table.columns
    ]


def _upright(table: Table) -> Group:
    """A table whose rows stand one below the other, each as a list of names and values."""
    shown: list[RenderableType] = [] if table.title is None else [table.title]
    for number, cells in enumerate(zip(*(column.cells for column in table.columns), strict=True), start=1):
        row = Table.grid(Column(no_wrap=True, style="bold"), Column(overflow="fold"), padding=(0, 2, 0, 0))
        for column, cell in zip(table.columns, cells, strict=True):
            row.add_row(column.header, cell)
        shown += [Text(f"── {number} ──", style="dim"), row]
    return Group(*shown)


class _Table(Table):
    """A table whose cells take one line each.

    Attributes:
        spare: Columns that a narrow terminal can do without, the least important first.
    """

    spare: tuple[str, ...] = ()

    def add_row(self, *cells: RenderableType | None, **options: Any) -> None:
        super().add_row(*(visible_in_a_cell(cell) if isinstance(cell, str) else cell for cell in cells), **options)


class _LogLines(logging.Handler):
    """Prints log lines as other notes are printed: a command in one can be copied from a terminal of any width."""

    def __init__(self, console: _Console) -> None:
        super().__init__(logging.WARNING)
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        style = "red" if record.levelno >= logging.ERROR else "yellow"
        self._console.say(f"{record.levelname.capitalize()}: {self.format(record)}", style=style)


results = _Console()
notes = _Notes()


def route_logs(console: _Console) -> None:
    """Sends our own log lines to a console, so that they don't break a progress bar."""
    logger = logging.getLogger("journey_pipeline")
    logger.handlers = [_LogLines(console)]
    logger.propagate = False


def plain_table(
    *columns: str,
    right: tuple[str, ...] = (),
    text: tuple[str, ...] = (),
    spare: tuple[str, ...] = (),
    title: str | None = None,
) -> Table:
    """A table with a header. Show it with `show`, which cuts no cell.

    Args:
        right: Columns of figures.
        text: Columns of sentences, which may fold.
        spare: Columns that a narrow terminal can do without, the least important first.
    """
    table = _Table(
        title=title,
        title_justify="left",
        header_style="bold",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    table.spare = spare
    for column in columns:
        justify: JustifyMethod = "right" if column in right else "left"
        table.add_column(column, justify=justify, no_wrap=column not in text, overflow="fold")
    return table


def days(window: Window) -> str:
    """A window's ends; without hours where it holds whole days."""
    is_whole = window.start == floor(window.start, Granularity.DAY) and window.end == floor(window.end, Granularity.DAY)
    form = "%m-%d" if is_whole else "%m-%d %H:%M"
    return f"{window.start:{form}} to {window.end:{form}}"


def duration(length: timedelta) -> str:
    """A duration in the largest unit of which it has two, such as `14 days`, `20 h`, `5 min` or `12 s`."""
    for unit, one in _UNITS.items():
        if length >= 2 * one:
            return f"{length // one} {unit}"
    return f"{max(length, timedelta()) // timedelta(seconds=1)} s"
