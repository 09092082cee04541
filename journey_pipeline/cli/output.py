"""Where the command line writes: results to standard output, everything else to standard error.

Colours and bars only on a terminal. Not here: what is written (the commands).
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper, UnsupportedOperation

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.logging import RichHandler
from rich.table import Table

results = Console()
notes = Console(stderr=True)


def take_any_letter() -> None:
    """Lets the standard streams show a `?` for a letter that their encoding lacks, instead of failing at it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


@contextmanager
def terminal_kept() -> Iterator[None]:
    """Inside the block notes go where standard error led before it.

    Dagster sends the standard streams of a step into that step's log: without this, a bar that is drawn while a step
    runs in this process would never be seen.
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


def route_logs(console: Console, level: int = logging.WARNING) -> None:
    """Sends our own log lines to a console, so that they don't tear a bar."""
    handler = RichHandler(console=console, show_path=False, show_time=False, markup=False)
    handler.setLevel(level)
    logger = logging.getLogger("journey_pipeline")
    logger.handlers = [handler]
    logger.propagate = False


def plain_table(*columns: str, right: tuple[str, ...] = (), title: str | None = None) -> Table:
    """A table with a header; the columns named in `right` are figures."""
    table = Table(title=title, title_justify="left", header_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", no_wrap=column in right)
    return table
