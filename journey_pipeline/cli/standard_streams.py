"""The program's standard streams, without a library: letters they lack, control characters, readers that have gone.

Not here: consoles and tables on them (`output.py`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper, UnsupportedOperation
from typing import IO

_BIDI = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_CONTROLS = {
    **{code: chr(0x2400 + code) for code in range(0x20)},
    0x7F: "␡",
    **{code: f"<U+{code:04X}>" for code in (*range(0x80, 0xA0), 0x2028, 0x2029, *_BIDI)},
}
_CONTROLS_IN_LINES = {code: shown for code, shown in _CONTROLS.items() if chr(code) not in "\n\t"}
_CONTROLS_IN_A_CELL = _CONTROLS | {ord("\n"): "↵", ord("\t"): "⇥"}
_STANDARD_ERROR = 2
_SHOW_CURSOR = "\x1b[?25h"


def visible(text: str) -> str:
    """Text with its control characters made visible, because a terminal obeys them; lines and tabs stay."""
    return text.replace("\r\n", "\n").translate(_CONTROLS_IN_LINES)


def visible_in_a_cell(text: str) -> str:
    """The same in one line."""
    return text.replace("\r\n", "\n").translate(_CONTROLS_IN_A_CELL)


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


def open_closed_streams() -> None:
    """Opens nothing in place of standard streams that were closed, as by `2>&-`.

    Else the next file that is opened would get the number of one, and what a library prints would go into that file.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= _STANDARD_ERROR:
        os.set_inheritable(number, True)  # noqa: FBT003 - the library's signature
    os.close(number)
    sys.stdin, sys.stdout, sys.stderr = (
        stream or os.fdopen(number, mode)
        for number, (stream, mode) in enumerate(((sys.stdin, "r"), (sys.stdout, "w"), (sys.stderr, "w")))
    )


def take_any_letter() -> None:
    """Makes the standard streams print `?` for letters that their encoding lacks, in place of an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


class _Kept:
    """Standard error as it was when the program started, while it is kept."""

    file: IO[str] | None = None


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
        _Kept.file = kept
        try:
            yield
        finally:
            _Kept.file = None


def standard_error() -> IO[str]:
    """Where notes go."""
    return _Kept.file or sys.stderr


def say_last(text: str) -> None:
    """Prints a program's last words, and shows the cursor that a bar may have hidden."""
    file = standard_error()
    file.write(f"{_SHOW_CURSOR if file.isatty() else ''}{text}\n")
    file.flush()
