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
_WELCOME = "SQL on {file}, read-only. End each with ;. `.tables` names the tables, `exit` or Ctrl-D ends."
_ENDS = ("exit", "quit", ".exit", ".quit", "\\q")  # as people know them from other prompts
_OTHERS = (".", "\\", "help")  # how commands of other prompts begin: they get the welcome
_TABLES = """
select distinct schema_name as schema, table_name as name from duckdb_columns()
where not internal and schema_name <> 'internal' order by all
"""


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
    welcome = _WELCOME.format(file=published_file(lake).name)
    if sys.stdin.isatty():
        notes.say(welcome)
    for typed in _statements(lake.home / ".shell_history"):
        word = typed.strip().rstrip("; ").lower()
        if word in _ENDS:
            break
        if word.startswith(_OTHERS) and word != ".tables":
            notes.say(welcome)
        elif word:
            _answer(warehouse, _TABLES if word == ".tables" else typed)


def _answer(warehouse: Published, sql: str) -> None:
    try:
        show_table(warehouse.answer(sql))
    except WarehouseError as error:
        notes.say(f"Error: {error}", style="red")
    except KeyboardInterrupt:
        notes.say("interrupted")


def _statements(history: Path) -> Iterator[str]:
    """What is typed, up to each semicolon at the end of a line, or a word to the prompt. Ctrl-C drops what is begun."""
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
            if lines and (lines[-1].rstrip().endswith(";") or _is_word("\n".join(lines))):
                yield "\n".join(lines)
                lines = []
    if "".join(lines).strip():
        yield "\n".join(lines)


def _is_word(typed: str) -> bool:
    """Whether a line is whole without a semicolon: it is no SQL."""
    return not typed.strip() or typed.strip().lower() in _ENDS or typed.lstrip().lower().startswith(_OTHERS)


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
