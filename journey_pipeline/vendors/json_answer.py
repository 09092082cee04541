"""Checks of JSON with records while it lands, for every vendor.

Error pages, error objects and a cut end are noticed, records are counted. Not here: what a record holds (the reader of
the landed file), where the records are in the document (`formats/json_records.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from journey_pipeline.errors import ContractError, DamagedAnswerError, TransientVendorError
from journey_pipeline.formats.json_records import RecordSplitter
from journey_pipeline.formats.json_scan import BrokenError, CutError, DocumentError, NoRecordsError
from journey_pipeline.formats.small_answers import PAGE_BYTES, foreign_form, told_of_page

_BLANK = b" \t\r\n\xef\xbb\xbf"
_MARK_BYTES = 3
_QUOTED = 200
_ERRORS = ("detail", "error", "message")


class JsonInspector:
    """Checks one JSON body and counts its records.

    A whole object without an array of records lands too, with no records: its reader says what it holds instead.
    Only an error in place of records does not.

    Args:
        arrays: Names of arrays of records in a top-level object, the likeliest first.
        path: Names that lead to the array of records, if that is known.
        flat: Whether records are flat objects, so that one that stands alone is a record.

    Attributes:
        rows: Records; final once `finish` has returned.
        no_records: Why nothing in the body can be the records, None if something can.
    """

    def __init__(self, arrays: Sequence[str] = (), *, path: Sequence[str] = (), flat: bool = False) -> None:
        self.rows = 0
        self.no_records: NoRecordsError | None = None
        self._splitter = RecordSplitter(arrays, path=path, flat=flat)
        self._page: bytes | None = b""
        self._ends_line = False

    @property
    def members(self) -> Mapping[str, Any]:
        """The other members of a top-level object, such as `count`; final once `finish` has returned."""
        return self._splitter.members

    @property
    def names(self) -> Sequence[str]:
        """The names of a top-level object's first members, also of those too long to be kept; final likewise."""
        return self._splitter.names

    def take(self, records: Sequence[bytes]) -> None:
        """Takes note of the next records, as they stand."""
        self.rows += len(records)

    def feed(self, chunk: bytes) -> None:
        """Takes the next piece, cut anywhere.

        Raises:
            ContractError: If it is a page, or no JSON from its first byte on.
            DamagedAnswerError: If it stops being JSON later: asked again, it may come whole.
        """
        if not chunk:
            return
        self._ends_line = chunk.endswith(b"\n")
        if self._page is not None:
            self._page += chunk
            text = self._page.lstrip(_BLANK)
            if form := foreign_form(text):
                raise ContractError(f"{form} came in place of JSON in UTF-8. Ask the vendor for JSON in UTF-8.")
            if text.startswith(b"<"):
                if len(text) >= PAGE_BYTES:
                    raise _page_error(text)
                return
            if not text:
                # Blanks without end must not fill the memory; a mark that stands in front is kept.
                self._page = self._page[:_MARK_BYTES]
                return
            chunk, self._page = self._page, None
        try:
            self.take(self._splitter.feed(chunk))
        except DocumentError as error:
            raise self._told(error) from None

    def finish(self, *, verified: bool) -> None:
        """Takes the end.

        Args:
            verified: Whether the wire proved that nothing is missing. Without that proof, records without a container
                around them whose last line has no end count as cut; a document has an end of its own.

        Raises:
            TransientVendorError: If the body is cut.
            ContractError: If it is a page, no JSON, or an error in place of records.
        """
        if self._page:
            text = self._page.lstrip(_BLANK)
            if text.startswith(b"<"):
                raise _page_error(text)
        try:
            self.take(self._splitter.finish())
        except NoRecordsError as error:
            self.no_records = error
        except DocumentError as error:
            raise self._told(error) from None
        if (self.no_records or self._splitter.is_null) and (said := _error_in(self.members)):
            raise ContractError(
                f"a JSON error ({said}) came in place of records. If it does not say what is wrong, try again later "
                "and ask the vendor."
            )
        if self._splitter.is_lines and not verified and not self._ends_line:
            raise TransientVendorError("the JSON ended without a line end, and nothing else proves that it is whole.")

    def _told(self, error: DocumentError) -> ContractError | TransientVendorError:
        if isinstance(error, CutError):
            return TransientVendorError(f"the JSON {error}: it was cut off.")
        if isinstance(error, BrokenError) and error.at > PAGE_BYTES:
            return DamagedAnswerError(f"the JSON {error}: it is broken in its middle.")
        return ContractError(f"what should be JSON with records {error}. Look at what came, and ask the vendor.")


def _page_error(page: bytes) -> ContractError:
    return ContractError(
        f"{told_of_page(page)} came in place of JSON. Check the connection's URL; if it is right, try again later."
    )


def _error_in(members: Mapping[str, Any]) -> str:
    """The texts of an error object; its names if it has no text."""
    named = [name for name in _ERRORS if name in members]
    return ", ".join(f"{name}: {members[name]}"[:_QUOTED] for name in named if isinstance(members[name], str)) or (
        ", ".join(named)
    )
