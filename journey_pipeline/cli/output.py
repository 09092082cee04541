"""Where the command line writes: results to standard output, everything else to standard error.

Colours and bars only on a terminal. Not here: what is written (the commands).
"""

from __future__ import annotations

import logging

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.logging import RichHandler
from rich.table import Table

results = Console()
notes = Console(stderr=True)


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
