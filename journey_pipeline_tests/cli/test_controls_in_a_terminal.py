"""Names that hold terminal commands, as the command line shows them."""

from __future__ import annotations

import io
import logging

import pytest

from journey_pipeline.cli.output import _Console, plain_table, route_logs
from journey_pipeline.cli.standard_streams import visible

ESC, CSI, OVERRIDE = "\x1b", "\x9b", "\u202e"
NAMES = (f"{ESC}]0;title\x07", f"{ESC}]8;;https://example.org{ESC}\\link", f"{CSI}2J", f"{OVERRIDE}gpj.exe", "\x08\x7f")


def _printed(console: _Console) -> str:
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def _is_harmless(text: str) -> bool:
    return all(char.isprintable() or char == "\n" for char in text)


def warn(console: _Console, message: str) -> None:
    logger = logging.getLogger("journey_pipeline")
    was = logger.handlers, logger.propagate
    try:
        route_logs(console)
        logger.warning("%s", message)
    finally:
        logger.handlers, logger.propagate = was


@pytest.mark.parametrize("name", NAMES)
def test_a_table_a_note_and_a_log_line_show_control_characters(name: str) -> None:
    console = _Console(file=io.StringIO(), width=200)
    table = plain_table("journey")
    table.add_row(name)
    console.print(table)
    console.print(f"{name} failed", markup=False, soft_wrap=True)
    warn(console, f"{name} failed")
    shown = _printed(console)
    assert _is_harmless(shown)
    assert shown.count("failed") == 2


def test_a_command_in_a_log_line_is_not_broken_by_a_narrow_terminal() -> None:
    console = _Console(file=io.StringIO(), width=40)
    message = (
        "a file is damaged: put it back and run `journey-pipeline normalize sfmc/journey_history --from 2026-11-22`"
    )
    warn(console, message)
    assert _printed(console) == f"Warning: {message}\n"


def test_a_cell_takes_one_line() -> None:
    console = _Console(file=io.StringIO(), width=80)
    table = plain_table("journey")
    table.add_row("Win-back\r\nsecond\tline")
    console.print(table)
    assert "Win-back↵second⇥line" in _printed(console)


def test_lines_of_a_message_stay() -> None:
    assert visible("one\r\ntwo\tthree \u202e") == "one\ntwo\tthree <U+202E>"
