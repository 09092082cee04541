"""`journey-pipeline shell`: a prompt for SQL on the published warehouse, read-only.

DuckDB's own program, where it is installed: it completes names, edits lines and pages answers better than a prompt of
ours ever would. Else a small prompt. Not here: one question (`query.py`).
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from types import ModuleType

from journey_pipeline.cli.output import notes
from journey_pipeline.cli.query import show_table
from journey_pipeline.cli.stopping import ends_by_itself
from journey_pipeline.errors import WarehouseError
from journey_pipeline.lake.layout import Lake
from journey_pipeline.settings import home
from journey_pipeline.warehouse.connection import published_file
from journey_pipeline.warehouse.questions import Published, published

_PROGRAM = "duckdb"
_SETTINGS = "set timezone = 'UTC'"  # as `query` has it
_WELCOME = "SQL on {file}, read-only. End each with ;. `show all tables;` names the tables, Ctrl-D ends."


def shell() -> None:
    """Open a prompt for SQL on the published warehouse."""
    lake = Lake(home())
    with published(lake) as warehouse:  # says what is wrong before any prompt
        ends_by_itself()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if program := shutil.which(_PROGRAM):
            file = str(published_file(lake))
            os.execv(program, [program, "-readonly", "-cmd", _SETTINGS, file])  # noqa: S606 - no shell is wanted
        _ask(warehouse, lake)


def _ask(warehouse: Published, lake: Lake) -> None:
    """Answers each statement until the input ends."""
    if sys.stdin.isatty():
        notes.say(_WELCOME.format(file=published_file(lake).name))
    for sql in _statements(lake.home / ".shell_history"):
        try:
            show_table(warehouse.answer(sql))
        except WarehouseError as error:
            notes.say(f"Error: {error}", style="red")
        except KeyboardInterrupt:
            notes.say("interrupted")


def _statements(history: Path) -> Iterator[str]:
    """What is typed, up to each semicolon at the end of a line. Ctrl-C drops what is begun."""
    lines: list[str] = []
    with _line_editing(history):
        while True:
            try:
                lines.append(input(("   ...> " if lines else "journey> ") if sys.stdin.isatty() else ""))
            except KeyboardInterrupt:
                lines = []
                notes.say("")
            except EOFError:
                break
            if lines and lines[-1].rstrip().endswith(";"):
                yield "\n".join(lines)
                lines = []
    if "".join(lines).strip():
        yield "\n".join(lines)


@contextmanager
def _line_editing(history: Path) -> Iterator[None]:
    """Arrow keys and the lines of earlier prompts, where this Python can."""
    readline: ModuleType | None = None
    with suppress(ImportError):
        readline = import_module("readline")
    if readline is None:
        yield
        return
    with suppress(OSError):
        readline.read_history_file(history)
    try:
        yield
    finally:
        with suppress(OSError):
            readline.write_history_file(history)
