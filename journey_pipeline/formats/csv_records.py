r"""Where a record of a CSV ends: one rule for counting records and for cutting them out.

A quote opens a quoted field only as the field's first byte; anywhere else in a bare field it is a plain character.
Inside a quoted field a doubled quote is one quote, and text after the closing quote belongs to the field. `\n`, `\r\n`
and `\r` outside of quotes end a record; empty lines between records are no records. Source: RFC 4180, and the fast
reader of Arrow. Not here: reading whole columns at once (`normalize/csv_source.py`).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # a stream is declared with its reader, and most commands read no file
    import numpy as np
    import numpy.typing as npt

DELIMITER = b","
_QUOTE, _LINE_FEED = b'"\n'
_PLAIN = 0
_LONGEST_KEPT = 1 << 16


def folded(column: str) -> str:
    """A column's name as it is compared: vendors change its case, and blanks around it, without a word."""
    return column.strip().casefold()


class RawRecord(NamedTuple):
    """One record as it stands in the file.

    Attributes:
        raw: Its bytes, with the line end.
        closed: False if the file ended inside one of its quotes.
        end: Where it ends, in bytes from the file's start.
    """

    raw: bytes
    fields: int
    closed: bool
    end: int


class TooLongError(Exception):
    """A record is longer than allowed."""


def split_records(chunks: Iterable[bytes], longest: int) -> Iterator[RawRecord]:
    """Cuts a CSV into records, byte for byte.

    Args:
        chunks: The file's bytes without byte order mark, in pieces of any size.
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
        found, quoted = _scan(line, quoted=quoted, start=int(quoted and len(lines) == 1))
        delimiters += found
        if not quoted:
            yield RawRecord(b"".join(lines), delimiters + 1, closed=True, end=end)
            lines = []
    if lines:
        yield RawRecord(b"".join(lines), delimiters + 1, closed=False, end=end)


class RecordCounter:
    """Counts the records of a CSV that streams by, in a few passes over whole pieces.

    Attributes:
        inside_quotes: Whether what came so far ends inside a quoted field.
        last: The last record without its line end, its own line ends as line feeds; None if it is longer than 64 KiB.
    """

    def __init__(self) -> None:
        import numpy as np  # noqa: PLC0415 - as above

        self.count = 0
        self.inside_quotes = False
        self.last: bytes | None = b""
        self._line_open = False
        self._held = b""
        self._before = _LINE_FEED
        self._field_starts_after = np.zeros(256, np.bool_)
        # A quote that closes, with one right after it: the two are one quote inside the field.
        self._field_starts_after[[_LINE_FEED, _QUOTE, *DELIMITER]] = True
        self._marks = np.empty(0, np.bool_)

    def feed(self, chunk: bytes) -> None:
        """Takes the next piece, cut anywhere; the first one without byte order mark."""
        if self._held:
            chunk, self._held = self._held + chunk, b""
        if b"\r" in chunk:
            if chunk.endswith(b"\r"):
                # The line feed that belongs to it may come with the next piece.
                chunk, self._held = chunk[:-1], b"\r"
            if chunk.startswith(b"\r") or b"\n\r" in chunk or chunk.count(b"\r") != chunk.count(b"\r\n"):
                # Blank lines, or CR alone. Otherwise every CR stands before an LF and need not be looked at.
                chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if chunk:
            self._count(chunk)

    def finish(self) -> None:
        """Takes the end: a last record needs no line end."""
        if self._held:
            self._held = b""
            self._count(b"\n")
        self.count += self._line_open

    def _count(self, chunk: bytes) -> None:
        if not self._line_open:
            chunk = chunk.lstrip(b"\n")  # blank lines in a row, of which there may be millions
            if not chunk:
                return
        import numpy as np  # noqa: PLC0415 - as above

        content = np.frombuffer(chunk, np.uint8)
        quotes = self._acting_quotes(content)
        ends = self._places(_LINE_FEED, content)
        # A line end is outside quotes if as many were opened before it as were closed.
        outside = ends[(np.searchsorted(quotes, ends) + self.inside_quotes) % 2 == 0]
        after_records = np.flatnonzero(np.diff(outside, prepend=-1 - self._line_open) > 1)
        self.count += after_records.size
        self._keep_last(chunk, outside, after_records)
        self.inside_quotes ^= quotes.size % 2 == 1
        self._line_open = self.inside_quotes or not chunk.endswith(b"\n")
        closes = not self.inside_quotes and quotes.size > 0 and quotes[-1] == len(chunk) - 1
        self._before = _PLAIN if chunk[-1] == _QUOTE and not closes else chunk[-1]

    def _keep_last(self, chunk: bytes, outside: npt.NDArray[np.intp], after_records: npt.NDArray[np.intp]) -> None:
        start, end = int(outside[-1]) + 1 if outside.size else 0, len(chunk)
        if start == end:
            if not after_records.size:
                return  # nothing but empty lines
            which = int(after_records[-1])
            start, end = int(outside[which - 1]) + 1 if which else 0, int(outside[which])
        if start or not self._line_open:
            self.last = b""
        if self.last is not None:
            piece = chunk[start : min(end, start + _LONGEST_KEPT + 1)]
            is_short = len(self.last) + len(piece) <= _LONGEST_KEPT
            # Where all lines end with CR and LF the CRs still stand; the last one belongs to the line end.
            piece = piece.replace(b"\r\n", b"\n").removesuffix(b"\r")
            self.last = self.last + piece if is_short else None

    def _acting_quotes(self, content: npt.NDArray[np.uint8]) -> npt.NDArray[np.intp]:
        """Where the quotes are that open or close a quoted field."""
        import numpy as np  # noqa: PLC0415 - as above

        quotes = self._places(_QUOTE, content)
        opening = quotes[int(self.inside_quotes) :: 2]
        before = content[opening - 1]
        if opening.size and opening[0] == 0:
            before[0] = self._before
        if self._field_starts_after[before].all():
            return quotes
        return np.array(self._one_by_one(quotes.tolist(), content), np.intp)

    def _places(self, byte: int, content: npt.NDArray[np.uint8]) -> npt.NDArray[np.intp]:
        """Where a byte stands. The marks are kept: memory that is new for each piece costs more than the search."""
        import numpy as np  # noqa: PLC0415 - as above

        if self._marks.size < content.size:
            self._marks = np.empty(content.size, np.bool_)
        return np.flatnonzero(np.equal(content, byte, out=self._marks[: content.size]))

    def _one_by_one(self, quotes: list[int], content: npt.NDArray[np.uint8]) -> list[int]:
        acting: list[int] = []
        inside, closed_at = self.inside_quotes, -1 if self._before == _QUOTE else -2
        for at in quotes:
            if inside:
                inside, closed_at = False, at
            elif closed_at == at - 1:
                inside = True
            else:
                before = content[at - 1] if at else self._before
                inside = bool(before != _QUOTE and self._field_starts_after[before])
                if not inside:
                    continue
            acting.append(at)
        return acting


def fields_of(record: bytes) -> list[str]:
    """The fields of one record in UTF-8.

    Raises:
        UnicodeDecodeError: If it is not UTF-8.
    """
    return next(csv.reader(io.StringIO(record.decode(), newline="")))


def without_line_end(record: bytes) -> bytes:
    """A record without the one line end that closes it."""
    return record.removesuffix(b"\n").removesuffix(b"\r")


def _scan(line: bytes, *, quoted: bool, start: int) -> tuple[int, bool]:
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
        at = line.find(DELIMITER, at)
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
        if not size and not chunk.strip(b"\r\n"):
            yield chunk  # blank lines in a row are as good as one, and there may be millions
            continue
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
        if last.endswith(b"\n"):
            yield last
            pending, size = [], 0
    yield from b"".join(pending).splitlines(keepends=True)
