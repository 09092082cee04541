"""A CSV cut into its raw records, byte for byte, by the same rules as the fast reader.

It is for the files that the fast reader refuses: it finds which record is wrong and keeps its bytes. Not here: reading
whole columns at once (`csv_batches.py`), what a refused record becomes (`rejects.py`).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import NamedTuple


class RawRecord(NamedTuple):
    """One record as it stands in the file.

    Attributes:
        raw: Its bytes, with the line end.
        fields: How many fields it has.
        closed: False if the file ended inside one of its quotes.
        end: Where it ends, in bytes from the file's start.
    """

    raw: bytes
    fields: int
    closed: bool
    end: int


class TooLongError(Exception):
    """A record is longer than allowed."""


def split_records(chunks: Iterable[bytes], delimiter: bytes, longest: int) -> Iterator[RawRecord]:
    r"""Cuts a CSV into records. Empty lines between records are no records; `\n`, `\r\n` and `\r` end one.

    A quote opens a quoted field only as the field's first byte, and text after the closing quote belongs to the field.

    Args:
        chunks: The file's bytes without byte order mark, in pieces of any size.
        delimiter: One byte.
        longest: The most bytes of one record.

    Raises:
        TooLongError: If a record is longer.
    """
    lines: list[bytes] = []
    size = end = delimiters = 0
    quoted = False
    for line in _lines(chunks, longest):
        end += len(line)
        if not lines:
            if not line.rstrip(b"\r\n"):
                continue
            size, delimiters, quoted = 0, 0, line.startswith(b'"')
        size += len(line)
        if size > longest:
            raise TooLongError
        lines.append(line)
        found, quoted = _scan(line, delimiter, quoted=quoted, start=int(quoted and len(lines) == 1))
        delimiters += found
        if not quoted:
            yield RawRecord(b"".join(lines), delimiters + 1, closed=True, end=end)
            lines = []
    if lines:
        yield RawRecord(b"".join(lines), delimiters + 1, closed=False, end=end)


def fields_of(record: bytes, delimiter: str) -> list[str]:
    """The fields of one record in UTF-8.

    Raises:
        UnicodeDecodeError: If it is not UTF-8.
    """
    return next(csv.reader(io.StringIO(record.decode(), newline=""), delimiter=delimiter))


def without_line_end(record: bytes) -> bytes:
    """A record without the one line end that closes it."""
    return record.removesuffix(b"\n").removesuffix(b"\r")


def _scan(line: bytes, delimiter: bytes, *, quoted: bool, start: int) -> tuple[int, bool]:
    """How many delimiters stand outside of quotes, and whether the line ends inside quotes."""
    at, found = start, 0
    while True:
        if quoted:
            at = line.find(b'"', at)
            if at < 0:
                return found, True
            at += 1
            if line[at : at + 1] == b'"':
                at += 1
                continue
        at = line.find(delimiter, at)
        if at < 0:
            return found, False
        found += 1
        at += 1
        quoted = line[at : at + 1] == b'"'
        at += quoted


def _lines(chunks: Iterable[bytes], longest: int) -> Iterator[bytes]:
    pending: list[bytes] = []
    size = 0
    for chunk in chunks:
        pending.append(chunk)
        size += len(chunk)
        if b"\n" not in chunk and b"\r" not in chunk:
            if size > longest:
                raise TooLongError
            continue
        *whole, last = b"".join(pending).splitlines(keepends=True)
        yield from whole
        # The last line may go on in the next chunk; a \r at its end may be half of \r\n.
        pending, size = [last], len(last)
    yield from b"".join(pending).splitlines(keepends=True)
