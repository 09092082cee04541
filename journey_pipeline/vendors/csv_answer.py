"""Checks of a CSV while it lands, for every vendor.

Error pages, a wrong header, a cut end and a broken one are noticed, records are counted. A cut is worth another try; a
fault of form comes again with the same bytes. Not here: where a record ends (`formats/csv_records.py`), typing of
values and records with a wrong number of fields in the middle (the lake's normalizer rejects those one by one).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from journey_pipeline.errors import ContractError, TransientVendorError
from journey_pipeline.formats.csv_records import (
    DELIMITER,
    RecordCounter,
    TooLongError,
    folded,
    split_records,
    without_line_end,
)
from journey_pipeline.formats.small_answers import PAGE_BYTES, foreign_form, json_object, told_of_page

_BOM = b"\xef\xbb\xbf"
_BLANK = b" \t\r\n"
_PAGES = (b"{", b"<")
_LONGEST_HEADER = 1 << 16
_TAIL = 1 << 16
_COLUMNS_NAMED = 5


class CsvInspector:
    """Checks one CSV body and counts its records, by the rules of `formats/csv_records.py`.

    Args:
        expected_columns: Columns that the header must have, in any order.

    Attributes:
        columns: The header as it came; empty before it is complete.
        empty_body: Whether the body was empty. The caller decides whether that is an error.
        ends_with_newline: Whether the last byte ended a line.
    """

    def __init__(self, expected_columns: Sequence[str] = ()) -> None:
        self.columns: tuple[str, ...] = ()
        self.empty_body = True
        self.ends_with_newline = False
        self._expected = tuple(expected_columns)
        self._head: bytes | None = b""
        self._records = RecordCounter()
        self._tail = b""

    @property
    def rows(self) -> int:
        """Records, the header not counted; final once `finish` has returned."""
        return max(0, self._records.count - 1)

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
        # Empty lines before the header are nothing: without an end to them, they must not fill the memory.
        self._head = (self._head + chunk).removeprefix(_BOM).lstrip(b"\r\n")
        self._look_for_header(self._head)

    def finish(self, *, verified: bool) -> None:
        """Takes the end.

        Args:
            verified: Whether the wire proved that nothing is missing. Without that proof a body whose last line has no
                end counts as cut.

        Raises:
            TransientVendorError: If the body is cut: inside quotes, inside its last record, or unproven; or if the
                vendor wrote an error after the records. Asked again, it may come whole.
            ContractError: As for `feed`; or if its end is broken in form, which asking again won't mend.
        """
        if self.empty_body:
            return
        if self._head is not None:
            self._refuse_page(self._head)
        if not verified and not self.ends_with_newline:
            raise TransientVendorError("the CSV ended without a line end, and nothing else proves that it is whole.")
        if self._head is not None:
            self._begin(self._head, self._head)
        self._records.finish()
        if self._records.inside_quotes:
            raise self._told_of_open_quote()
        self._check_last_record()

    def _look_for_header(self, text: bytes) -> None:
        if form := foreign_form(text):
            raise ContractError(f"{form} came in place of a CSV in UTF-8. Ask the vendor for a CSV in UTF-8.")
        if len(text) >= PAGE_BYTES:
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
                f"{told_of_page(page)} came in place of a CSV. If it does not say what is wrong, try again later and "
                "ask the vendor."
            )

    def _read_header(self, line: bytes) -> None:
        if len(line) > _LONGEST_HEADER:
            raise ContractError("the first line of what should be a CSV is longer than 64 KiB. Look at what came.")
        self.columns = tuple(self._fields(line))
        there = {folded(column) for column in self.columns}
        missing = [column for column in self._expected if folded(column) not in there]
        if missing:
            raise ContractError(self._told_of_header(missing))

    def _told_of_header(self, missing: Sequence[str]) -> str:
        """A message about the first line. It does not quote the line, which may be a record."""
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

    def _told_of_open_quote(self) -> ContractError | TransientVendorError:
        """A cut hits one field; a quote that is never closed swallows whole records."""
        opened = self._tail if self._records.last is None else self._records.last
        lines = opened.splitlines()[1:]
        if any(line.count(DELIMITER) >= len(self.columns) - 1 for line in lines):
            return ContractError(
                f"a quote is opened and never closed: the records from number {self.rows:,} on can't be told apart. "
                "The vendor's file itself is broken: report it to the vendor."
            )
        return TransientVendorError("the CSV ended inside a quoted field: it was cut off.")

    def _check_last_record(self) -> None:
        record = self._records.last
        if record is None or not self.rows:
            return
        fields = len(self._fields(record))
        if (fields < len(self.columns) or record.startswith(b"{")) and _error_at_end(self._tail):
            raise TransientVendorError(
                "the CSV ends with a JSON error in place of its last record: the vendor broke off."
            )
        if fields >= len(self.columns):
            return
        short = f"the last record has {fields} of {len(self.columns)} fields"
        if self.ends_with_newline:
            raise ContractError(f"{short} and its line end: it is no record. Compare it with the vendor's format.")
        raise TransientVendorError(f"{short}: the CSV was cut off.")

    def _fields(self, record: bytes) -> list[str]:
        text = io.StringIO(record.decode("utf-8", "replace"), newline="")
        return next(csv.reader(text), [])


def _first_record(text: bytes) -> bytes | None:
    """The first record without its line end, or None if it is not complete."""
    try:
        record = next(split_records([text], _LONGEST_HEADER), None)
    except TooLongError:
        return None
    return without_line_end(record.raw) if record and record.closed and record.raw.endswith((b"\n", b"\r")) else None


def _error_at_end(tail: bytes) -> bool:
    """Whether the body ends with lines that are a JSON object."""
    start = max(tail.rfind(b"\n{"), tail.rfind(b"\r{"))
    return start >= 0 and json_object(tail[start:]) is not None
