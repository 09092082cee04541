"""What every vendor's delimited text must look like, checked in passing while it lands.

Error pages, a wrong header and a cut end are noticed, records are counted. Not here: typing of values and records with
a wrong number of fields in the middle (the lake's normalizer rejects those one by one).
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence

import numpy as np

from journey_pipeline.errors import ContractError, TransientVendorError

_BOM = b"\xef\xbb\xbf"
_BLANK = b" \t\r\n"
_PAGES = (b"{", b"<")
_LONGEST_HEADER = 1 << 16
_TAIL = 1 << 16
_PAGE_READ = 4096
_PAGE_QUOTED = 200
_COLUMNS_NAMED = 5
_QUOTE, _LINE_FEED = b'"\n'
_LINE_END = re.compile(rb"[\r\n]")
_TITLE = re.compile(rb"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(rb"<[^>]*>")


class CsvInspector:
    """Checks one CSV body and counts its records. Quotes are RFC 4180's: doubled inside a quoted field.

    The count is that of a CSV reader: line ends LF, CR LF or CR outside quotes; blank lines are no records; a last
    record needs no line end.

    Args:
        expected_columns: Columns that the header must have, in any order.
        delimiter: One byte.

    Attributes:
        columns: The header as it came; empty before it is complete.
        empty_body: Whether the body had no byte at all. Whoever knows how many records there should be decides.
        ends_with_newline: Whether the last byte ended a line.
    """

    def __init__(self, expected_columns: Sequence[str] = (), *, delimiter: bytes = b",") -> None:
        self.columns: tuple[str, ...] = ()
        self.empty_body = True
        self.ends_with_newline = False
        self._expected = tuple(expected_columns)
        self._delimiter = delimiter.decode("ascii")
        self._head: bytearray | None = bytearray()
        self._records = _RecordCounter()
        self._tail = b""

    @property
    def rows(self) -> int:
        """Records, the header not counted; final once `finish` has returned."""
        return max(0, self._records.count - 1)

    @property
    def extra_columns(self) -> tuple[str, ...]:
        """Columns of the header that nobody expected."""
        return tuple(column for column in self.columns if column not in self._expected)

    def feed(self, chunk: bytes) -> None:
        """Takes the next piece, cut anywhere.

        Raises:
            ContractError: If it is an error page, or a column is missing in the header.
        """
        if not chunk:
            return
        self.empty_body = False
        self.ends_with_newline = chunk.endswith((b"\n", b"\r"))
        self._tail = chunk[-_TAIL:] if len(chunk) >= _TAIL else (self._tail + chunk)[-_TAIL:]
        if self._head is None:
            self._records.feed(chunk)
            return
        self._head += chunk
        self._look_for_header()

    def finish(self, *, verified: bool) -> None:
        """Takes the end.

        Args:
            verified: Whether the wire proved that nothing is missing. Without that proof a body whose last line has no
                end counts as cut.

        Raises:
            TransientVendorError: If the body is cut: inside quotes, inside its last record, or unproven; or if the
                vendor wrote an error after the records. Asked again, it may come whole.
            ContractError: As for `feed`.
        """
        if self.empty_body:
            return
        if self._head is not None:
            self._refuse_page(self._text())
        if not verified and not self.ends_with_newline:
            raise TransientVendorError("the CSV ended without a line end, and nothing else proves that it is whole.")
        if self._head is not None:
            self._begin(self._text(), self._text())
        self._records.finish()
        if self._records.inside_quotes:
            raise TransientVendorError(
                "the CSV ended inside a quoted field: it was cut off, or a quote in it is never closed."
            )
        self._check_last_record()

    def _text(self) -> bytes:
        """What came so far, without what may stand before the header."""
        return bytes(self._head or b"").removeprefix(_BOM).lstrip(b"\r\n")

    def _look_for_header(self) -> None:
        text = self._text()
        if len(text) >= _PAGE_READ:
            self._refuse_page(text)
        # A page is read on for the sake of its message; a mark that came in part is not a header's first letter.
        undecided = not text.strip(_BLANK) or text.lstrip(_BLANK).startswith(_PAGES) or _BOM.startswith(text)
        header = None if undecided else _first_record(text)
        if header is not None:
            self._begin(text, header)
        elif len(text) > _LONGEST_HEADER:
            raise ContractError("no line end within the first 64 KiB of what should be a CSV. Look at what came.")

    def _begin(self, text: bytes, header: bytes) -> None:
        self._read_header(header)
        self._head = None
        self._records.feed(text)

    def _refuse_page(self, text: bytes) -> None:
        page = text.lstrip(_BLANK)
        if page.startswith(_PAGES):
            raise ContractError(
                f"{_told_of_page(page)} came in place of a CSV. If it does not tell what is wrong, try again later and "
                "ask the vendor."
            )

    def _read_header(self, line: bytes) -> None:
        if len(line) > _LONGEST_HEADER:
            raise ContractError("the first line of what should be a CSV is longer than 64 KiB. Look at what came.")
        text = line.decode("utf-8", "replace")
        self.columns = tuple(next(csv.reader(io.StringIO(text, newline=""), delimiter=self._delimiter), ()))
        missing = [column for column in self._expected if column not in self.columns]
        if missing:
            raise ContractError(self._told_of_header(missing))

    def _told_of_header(self, missing: Sequence[str]) -> str:
        """What is wrong with the first line, without quoting it: it may be a record."""
        if len(missing) == len(self._expected):
            return (
                f"the CSV has no header: its first line names none of the {len(missing)} columns that the request "
                "named. The vendor's format has changed; compare it with the vendor's documentation."
            )
        more = f" and {len(missing) - _COLUMNS_NAMED} more" if len(missing) > _COLUMNS_NAMED else ""
        return (
            f"the CSV lacks what the request named, {', '.join(missing[:_COLUMNS_NAMED])}{more}: its header has "
            f"{len(self.columns)} columns. Compare it with the vendor's documentation."
        )

    def _check_last_record(self) -> None:
        record = _last_record(self._tail)
        if record is None or not self.rows:
            return
        if record.startswith(b"{") and _json_object(record) is not None:
            raise TransientVendorError(
                "the CSV ends with a JSON error in place of its last record: the vendor broke off."
            )
        text = record.decode("utf-8", "replace")
        fields = next(csv.reader(io.StringIO(text, newline=""), delimiter=self._delimiter), [])
        if len(fields) < len(self.columns):
            raise TransientVendorError(
                f"the last record has {len(fields)} of {len(self.columns)} fields: the CSV was cut off."
            )


class _RecordCounter:
    """Counts lines outside quotes that are not blank, in a few passes over whole pieces."""

    def __init__(self) -> None:
        self.count = 0
        self.inside_quotes = False
        self._line_open = False
        self._held = b""

    def feed(self, chunk: bytes) -> None:
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
        if self._held:
            self._held = b""
            self._count(b"\n")
        self.count += self._line_open

    def _count(self, chunk: bytes) -> None:
        content = np.frombuffer(chunk, np.uint8)
        quotes = np.flatnonzero(content == _QUOTE)
        ends = np.flatnonzero(content == _LINE_FEED)
        # A line end is outside quotes if as many were opened before it as were closed.
        outside = ends[(np.searchsorted(quotes, ends) + self.inside_quotes) % 2 == 0]
        blank = np.count_nonzero(np.diff(outside) == 1)
        starts_blank = outside.size > 0 and outside[0] == 0 and not self._line_open
        self.count += outside.size - int(blank) - bool(starts_blank)
        self.inside_quotes ^= quotes.size % 2 == 1
        self._line_open = self.inside_quotes or not chunk.endswith(b"\n")


def _first_record(text: bytes) -> bytes | None:
    """The first record without its line end, or None if it is not complete."""
    quotes, start = 0, 0
    for match in _LINE_END.finditer(text):
        quotes += text.count(b'"', start, match.start())
        if quotes % 2 == 0:
            return text[: match.start()]
        start = match.start()
    return None


def _last_record(tail: bytes) -> bytes | None:
    """The last record of a body that ends outside quotes, or None if it begins before this tail."""
    text = tail.rstrip(b"\r\n")
    quotes, end = 0, len(text)
    while True:
        start = max(text.rfind(b"\n", 0, end), text.rfind(b"\r", 0, end))
        if start < 0:
            return None
        quotes += text.count(b'"', start, end)
        if quotes % 2 == 0:
            return text[start + 1 :]
        end = start


def _told_of_page(page: bytes) -> str:
    """What came, quoted only as far as it is surely not a record: a title, an error's own message."""
    if not page.startswith(b"{"):
        title = _TITLE.search(page[:_PAGE_READ])
        text = (title[1] if title else _TAG.sub(b" ", page[:_PAGE_READ])).decode("utf-8", "replace")
        return f"an HTML page ({' '.join(text.split())[:_PAGE_QUOTED]})"
    error = _json_object(page)
    if error is None:
        return "text that begins with a brace"
    said = [f"{name}: {error[name]}" for name in ("message", "error", "errorcode") if name in error]
    return f"a JSON error ({', '.join(said)[:_PAGE_QUOTED] or 'without a message'})"


def _json_object(text: bytes) -> dict[str, object] | None:
    try:
        answer = json.loads(text)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None
