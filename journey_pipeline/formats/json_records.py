r"""Records cut out of a JSON answer as it streams by, wherever the vendor put them.

What is taken as the records, in this order:

1. the elements of a top-level array;
2. the lines of newline-delimited JSON: the first line is a whole object, and something follows it;
3. objects that follow one another, of which the first has no array that may be the records;
4. of a top-level object, the array of objects whose name comes first in a given list;
5. else its only array of objects;
6. else an empty array, by the same names: there are no records.

A single object in a single line is an object and not newline-delimited JSON: it may be an error's message. Arrays are
compared while they are small. One beyond 1 MiB is taken at once, and where a later one has the better claim, that is
an error and no guess. Not here: cutting a container (`json_elements.py`), what a record holds (it is given as it
stands, right or wrong).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from journey_pipeline.formats.failures import BrokenError, CutError
from journey_pipeline.formats.json_elements import BLANK, Beginning, Elements
from journey_pipeline.formats.json_lines import Concatenated, Lines
from journey_pipeline.formats.json_outer import COMPARED_BYTES, OuterObject
from journey_pipeline.formats.json_scan import Scanner

LONGEST_RECORD_BYTES = 64 << 20


class RecordSplitter:
    """Cuts one JSON document into its records: pushed with `feed` and `finish`, or pulled with `split`.

    Records are the bytes as they stand, without white space around them, in the document's order. Memory is one piece,
    one record and 1 MiB.

    Args:
        arrays: Names of arrays of records in a top-level object, the likeliest first.
        longest_bytes: The most bytes of one record.

    Attributes:
        records: How many records were given so far: the first of the next ones has the number after it.
    """

    def __init__(self, arrays: Sequence[str] = (), *, longest_bytes: int = LONGEST_RECORD_BYTES) -> None:
        self.records = 0
        self._arrays = arrays
        self._longest = longest_bytes
        self._beginning = Beginning()
        self._head = b""
        self._form: _TopArray | Lines | Concatenated | OuterObject | None = None

    @property
    def array(self) -> str | None:
        """The name of the records' array, if it lies in an object; final at the end."""
        return self._form.array if isinstance(self._form, OuterObject) else None

    @property
    def is_lines(self) -> bool:
        """Whether records follow one another without a container, so that a cut between two of them can't be seen."""
        return isinstance(self._form, Lines | Concatenated)

    @property
    def members(self) -> Mapping[str, Any]:
        """Other values of a top-level object, such as `count` and `next`, if they are small; final at the end."""
        return self._form.small.values if isinstance(self._form, OuterObject) else {}

    @property
    def is_null(self) -> bool:
        """Whether null stands in place of the array of records; final at the end."""
        return isinstance(self._form, OuterObject) and self._form.is_null

    @property
    def names(self) -> Sequence[str]:
        """The names of a top-level object's first members; final at the end."""
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
            NoRecordsError: If it has no array that can be the records, or several.
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
        return self._counted(records + self._form.finish())

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

    def _choose(self, *, at_end: bool) -> tuple[_TopArray | Lines | Concatenated | OuterObject | None, bytes]:
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
        if _begins_with_a_line(text):
            return Lines(at=at, longest_bytes=self._longest), text
        if _begins_with_a_record(text, self._arrays):
            return Concatenated(at=at, longest_bytes=self._longest), text
        return OuterObject(self._arrays, at=at + 1, longest_bytes=self._longest), text[1:]

    def _counted(self, records: list[bytes]) -> list[bytes]:
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


def _begins_with_a_line(text: bytes) -> bool:
    """Whether a text that begins with a brace has a whole object in its first line, and anything in further ones."""
    line, _, others = text[: COMPARED_BYTES + 1].partition(b"\n")  # no more, however much came at once
    line = line.rstrip(BLANK)
    return bool(others.strip(BLANK)) and Scanner().scan(line).end(1) == len(line) - 1


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
