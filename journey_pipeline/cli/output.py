"""Where the command line writes: results to standard output, everything else to standard error.

Colours and bars only on a terminal. Not here: what is written (the commands).
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from io import TextIOWrapper, UnsupportedOperation
from typing import IO, Any

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleRenderable, RenderableType
from rich.logging import RichHandler
from rich.table import Table
from rich.text import Text

_BIDI = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_CONTROLS = {
    **{code: chr(0x2400 + code) for code in range(0x20)},
    0x7F: "␡",
    **{code: f"<U+{code:04X}>" for code in (*range(0x80, 0xA0), 0x2028, 0x2029, *_BIDI)},
}
_CONTROLS_IN_LINES = {code: shown for code, shown in _CONTROLS.items() if chr(code) not in "\n\t"}
_ANY_WIDTH = 10_000
_CONTROLS_IN_A_CELL = _CONTROLS | {ord("\n"): "↵", ord("\t"): "⇥"}


def visible(text: str) -> str:
    """Text with its control characters made visible, because a terminal obeys them; lines and tabs stay."""
    return text.replace("\r\n", "\n").translate(_CONTROLS_IN_LINES)


def read_no_more(stream: IO[str]) -> None:
    """Discards all further output of a stream, including its buffer, because its reader has gone."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def takes_output() -> bool:
    """Whether standard output is writable. If not, as on a full disk, its buffer is dropped."""
    try:
        sys.stdout.flush()
        os.write(sys.stdout.fileno(), b"")
    except OSError:
        read_no_more(sys.stdout)
        return False
    return True


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

    def print_whole(self, table: Table) -> None:
        """Prints a table at its own width: a narrower terminal folds its lines, and no column is cut short."""
        table.width = self.measure(table, options=self.options.update(width=_ANY_WIDTH)).maximum
        self.print(table, soft_wrap=True)


class _Table(Table):
    """A table whose cells take one line each."""

    def add_row(self, *cells: RenderableType | None, **options: Any) -> None:
        shown = (
            cell.replace("\r\n", "\n").translate(_CONTROLS_IN_A_CELL) if isinstance(cell, str) else cell
            for cell in cells
        )
        super().add_row(*shown, **options)


class _LogLines(RichHandler):
    def render_message(self, record: logging.LogRecord, message: str) -> ConsoleRenderable:
        return super().render_message(record, visible(message))


results = _Console()
notes = _Console(stderr=True)


def take_any_letter() -> None:
    """Makes the standard streams print `?` for letters that their encoding lacks, in place of an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


@contextmanager
def terminal_kept() -> Iterator[None]:
    """Inside the block notes go to standard error as it was before the block.

    Dagster sends a step's standard streams into its log; without this, a bar would never be seen while a step runs.
    """
    try:
        descriptor = os.dup(sys.stderr.fileno())
    except (OSError, UnsupportedOperation):  # there is none, as under a test runner
        yield
        return
    with os.fdopen(descriptor, "w", encoding=sys.stderr.encoding, errors="replace") as kept:
        notes.file = kept
        try:
            yield
        finally:
            notes.file = None  # type: ignore[assignment]  # standard error, whatever it is by then


def route_logs(console: Console) -> None:
    """Sends our own log lines to a console, so that they don't break a progress bar."""
    handler = _LogLines(console=console, show_path=False, show_time=False, markup=False)
    handler.setLevel(logging.WARNING)
    logger = logging.getLogger("journey_pipeline")
    logger.handlers = [handler]
    logger.propagate = False


def plain_table(*columns: str, right: tuple[str, ...] = (), title: str | None = None) -> Table:
    """A table with a header; the columns named in `right` are figures."""
    table = _Table(title=title, title_justify="left", header_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", no_wrap=column in right)
    return table


def time(text: str) -> datetime:
    """An instant in UTC from `2026-11-01`, `2026-11-01T05`, `2026-11-01T05:00`, or with an offset.

    Raises:
        click.BadParameter: If it is none; says how to write one.
    """
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is not a time; write 2026-11-01, 2026-11-01T05:00 or 2026-11-01T05:00+02:00"
        ) from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
