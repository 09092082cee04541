"""Records cut out of a JSON answer as it streams by: of an array, a line each, or one after another.

A line end can't stand inside a JSON value, so that a broken line spoils no other. Not here: which array of an object
holds the records (`json_arrays.py`), an object with a member for each record (`json_object.py`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from journey_pipeline.formats.json_arrays import (
    COMPARED_BYTES,
    ArrayAtPath,
    OuterObject,
)
from journey_pipeline.formats.json_elements import BLANK, Beginning, Elements
from journey_pipeline.formats.json_scan import BrokenError, CutError, NoRecordsError, OversizedError, Scanner

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


LONGEST_RECORD_BYTES = 64 << 20


class RecordSplitter:
    """Cuts one JSON document into its records: pushed with `feed` and `finish`, or pulled with `split`.

    Records are the bytes as they stand, without white space around them, in the document's order. Memory is one piece,
    one record and 1 MiB.

    Args:
        arrays: Names of arrays of records in a top-level object, the likeliest first.
        path: Names that lead to the array of records, from the top-level object inwards, if that is known: then
            nothing else is taken for records.
        longest_bytes: The most bytes of one record.
        flat: Whether records are flat objects: one that stands alone is a record then, and no document with records.

    Attributes:
        records: How many records were given so far: the first of the next ones has the number after it.
    """

    def __init__(
        self,
        arrays: Sequence[str] = (),
        *,
        path: Sequence[str] = (),
        longest_bytes: int = LONGEST_RECORD_BYTES,
        flat: bool = False,
    ) -> None:
        self.records = 0
        self._flat = flat
        self._arrays = path[:1] or arrays
        self._path = path
        self._is_elsewhere = False
        self._longest = longest_bytes
        self._beginning = Beginning()
        self._head = b""
        self._form: _Form | None = None

    @property
    def is_lines(self) -> bool:
        """Whether records follow one another without a container, so that a cut between two of them can't be seen."""
        return isinstance(self._form, Lines | Concatenated)

    @property
    def members(self) -> Mapping[str, Any]:
        """Other values of a top-level object, such as `count` and `next`, if they are small; final at the end.

        Where a path leads to the records, also those of the objects on the way.
        """
        if isinstance(self._form, ArrayAtPath):
            return self._form.values
        return self._form.small.values if isinstance(self._form, OuterObject) else {}

    @property
    def is_null(self) -> bool:
        """Whether null stands in place of the array of records; final at the end."""
        return isinstance(self._form, OuterObject | ArrayAtPath) and self._form.is_null

    @property
    def names(self) -> Sequence[str]:
        """The names of a top-level object's first members, and of those on the way; final at the end."""
        if isinstance(self._form, ArrayAtPath):
            return self._form.names
        return self._form.small.names if isinstance(self._form, OuterObject) else ()

    def feed(self, piece: bytes) -> list[bytes]:
        """The records that the next piece completes.

        Raises:
            BrokenError: If the document is not JSON.
            OversizedError: If a record is longer than allowed.
        """
        if not self._form:
            self._head += piece if self._head else self._beginning.feed(piece)
            self._form, piece = self._choose(at_end=False)
        return self._counted(self._form.feed(piece)) if self._form and piece else []

    def finish(self) -> list[bytes]:
        """The records that are known only now that nothing more comes.

        Raises:
            CutError: If the document is not complete.
            NoRecordsError: If it has no array that can be the records, or several; or if it has records elsewhere than
                the path leads to.
            BrokenError: As for `feed`.
            OversizedError: As for `feed`.
        """
        records: list[bytes] = []
        if not self._form:
            self._head = self._head or self._beginning.feed(b"", at_end=True)
            self._form, piece = self._choose(at_end=True)
            records = self._form.feed(piece) if self._form else []
        if not self._form:
            raise CutError("is empty", at=0)
        records = self._counted(records + self._form.finish())
        if self._is_elsewhere:
            message = f"has its records elsewhere than at {'.'.join(self._path)}: in no object at all"
            raise NoRecordsError(message, names=())
        return records

    def split(self, pieces: Iterable[bytes]) -> Iterator[list[bytes]]:
        """The records of a whole document, some at a time.

        Raises:
            DocumentError: As for `feed` and `finish`.
        """
        for piece in pieces:
            if records := self.feed(piece):
                yield records
        if records := self.finish():
            yield records

    def _choose(self, *, at_end: bool) -> tuple[_Form | None, bytes]:
        """The document's form, once it is known, and what is left to be read then."""
        text, at = self._head, self._beginning.at
        if not text:
            return None, b""
        if text.startswith(b"["):
            self._head = b""
            return _TopArray(at=at + 1, longest_bytes=self._longest), text[1:]
        if not text.startswith(b"{"):
            raise BrokenError(f"does not begin as JSON with records does, at byte {at}", at=at)
        if len(text) <= COMPARED_BYTES and not at_end:
            return None, b""
        self._head = b""
        if _begins_with_a_line(text, alone=self._flat):
            return Lines(at=at, longest_bytes=self._longest), text
        if self._flat or _begins_with_a_record(text, self._arrays):
            return Concatenated(at=at, longest_bytes=self._longest), text
        path, inside = self._path, {"at": at + 1, "longest_bytes": self._longest}
        return ArrayAtPath(path, **inside) if path else OuterObject(self._arrays, **inside), text[1:]

    def _counted(self, records: list[bytes]) -> list[bytes]:
        if self._path and not isinstance(self._form, ArrayAtPath):
            self._is_elsewhere |= bool(records)
            return []
        self.records += len(records)
        return records


class _TopArray:
    """A document that is an array."""

    def __init__(self, *, at: int, longest_bytes: int) -> None:
        self._elements = Elements(b"[", at=at, longest_bytes=longest_bytes)

    def feed(self, piece: bytes) -> list[bytes]:
        elements = self._elements
        was_closed = elements.rest is not None
        records = [] if was_closed else elements.feed(piece)
        rest = piece if was_closed else elements.rest or b""
        if rest.strip(BLANK):
            raise BrokenError(f"goes on after its end at byte {elements.at}", at=elements.at)
        return records

    def finish(self) -> list[bytes]:
        if self._elements.rest is None:
            raise self._elements.cut()
        return []


_Form: TypeAlias = _TopArray | Lines | Concatenated | OuterObject | ArrayAtPath


def _begins_with_a_line(text: bytes, *, alone: bool) -> bool:
    """Whether a text that begins with a brace has a whole object in its first line, and others or `alone`."""
    line, _, others = text[: COMPARED_BYTES + 1].partition(b"\n")  # no more, however much came at once
    line = line.rstrip(BLANK)
    return (alone or bool(others.strip(BLANK))) and Scanner().scan(line).end(1) == len(line) - 1


def _begins_with_a_record(text: bytes, arrays: Sequence[str]) -> bool:
    """Whether another object follows the first one, which is no document with records itself."""
    end = Scanner().scan(text[:COMPARED_BYTES]).end(1)
    if end is None or not text[end + 1 :].lstrip(BLANK).startswith(b"{"):
        return False
    try:
        first = json.loads(text[: end + 1])
    except (ValueError, RecursionError):
        return False
    lists = (value for value in first.values() if isinstance(value, list))
    return not any(name in first for name in arrays) and not any(isinstance(one[0], dict) for one in lists if one)
