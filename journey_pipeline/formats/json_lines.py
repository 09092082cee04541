"""JSON records one after another, without a container: a line each, or with nothing between them.

A line end can't stand inside a JSON value, so that a broken line spoils no other. Not here: how it is known that a file
is of either form (`json_records.py`).
"""

from __future__ import annotations

import re

from journey_pipeline.formats.json_elements import BLANK
from journey_pipeline.formats.json_scan import BrokenError, CutError, OversizedError, Scanner

_BLANK_LINES = re.compile(rb"\n[ \t\r\n]+\n")


class Lines:
    """Cuts lines; blank ones are left out.

    Args:
        at: Where the first byte lies in the document.
        longest_bytes: The most bytes of one line.
    """

    def __init__(self, *, at: int, longest_bytes: int) -> None:
        self._at = at
        self._longest = longest_bytes
        self._held: list[bytes] = []
        self._size = 0

    def feed(self, piece: bytes) -> list[bytes]:
        """The lines that the next piece completes, without white space around them.

        Raises:
            OversizedError: If a line is longer than allowed.
        """
        *lines, last = _BLANK_LINES.sub(b"\n", piece).split(b"\n")
        if lines:
            lines[0] = b"".join([*self._held, lines[0]])
            self._held, self._size = [], 0
        self._held.append(last)
        self._size += len(last)
        self._at += len(piece)
        if self._size > self._longest or any(len(line) > self._longest for line in lines):
            raise OversizedError(f"has a line longer than {self._longest} bytes before byte {self._at}", at=self._at)
        return [line for line in (line.strip(BLANK) for line in lines) if line]

    def finish(self) -> list[bytes]:
        """The last line, if it has no line end.

        Raises:
            CutError: If that line is not complete. A file that was cut between two lines looks whole.
        """
        line = b"".join(self._held).strip(BLANK)
        scanner = Scanner()
        scanner.scan(line)
        if scanner.depth or scanner.inside_string:
            raise CutError(f"ends inside a line, after {self._at} bytes", at=self._at)
        return [line] if line else []


class Concatenated:
    """Cuts whole objects that follow one another, with or without blanks between them.

    Args:
        at: Where the first byte lies in the document.
        longest_bytes: The most bytes of one object.
    """

    def __init__(self, *, at: int, longest_bytes: int) -> None:
        self._at = at
        self._longest = longest_bytes
        self._scanner = Scanner()
        self._held: list[bytes] = []
        self._size = 0

    def feed(self, piece: bytes) -> list[bytes]:
        """The objects that the next piece completes, without white space around them.

        Raises:
            BrokenError: If anything but blanks stands between two of them.
            OversizedError: If one is longer than allowed.
        """
        marks = self._scanner.scan(piece)
        objects, start = [], 0
        for end in marks.ends(1).tolist():
            objects.append(self._whole(piece[start : end + 1], self._at + end))
            start = end + 1
        self._held.append(piece[start:])
        self._size += len(piece) - start
        self._at += len(piece)
        if self._size > self._longest:
            raise self._too_long(self._at)
        return objects

    def finish(self) -> list[bytes]:
        """Nothing: an object has an end of its own.

        Raises:
            CutError: If the last one is not complete. A file that was cut between two of them looks whole.
            BrokenError: If anything else follows the last one.
        """
        if self._scanner.depth > 0 or self._scanner.inside_string:
            raise CutError(f"ends inside a record, after {self._at} bytes", at=self._at)
        if b"".join(self._held).strip(BLANK):
            raise self._broken(self._at)
        return []

    def _whole(self, last: bytes, at: int) -> bytes:
        text = b"".join([*self._held, last]).strip(BLANK)
        self._held, self._size = [], 0
        if not text.startswith(b"{") or not text.endswith(b"}"):
            raise self._broken(at)
        if len(text) > self._longest:
            raise self._too_long(at)
        return text

    def _broken(self, at: int) -> BrokenError:
        return BrokenError(f"has something else than an object among its objects before byte {at}", at=at)

    def _too_long(self, at: int) -> OversizedError:
        return OversizedError(f"has a record longer than {self._longest} bytes before byte {at}", at=at)
