"""What the file of a profile export must look like, checked in passing while it lands: whole, and its events counted.

Not here: what an event holds (`profile_reader.py`).
"""

from __future__ import annotations

from journey_pipeline.errors import ContractError, TransientVendorError
from journey_pipeline.formats.failures import BrokenError, CutError, DocumentError, NoRecordsError
from journey_pipeline.vendors.apsis.profile_file import Keyed, splitter

_BLANK = b" \t\r\n\xef\xbb\xbf"
_START_BYTES = 4096


class ProfileInspector:
    """Checks one file and counts its events.

    Attributes:
        rows: Events, and things in place of profiles; final once `finish` has returned.
    """

    def __init__(self) -> None:
        self.rows = 0
        self._splitter = splitter(as_raw=True)
        self._head: bytes | None = b""

    def feed(self, chunk: bytes) -> None:
        """Takes the next piece, cut anywhere.

        Raises:
            ContractError: If it is a page, or no JSON from its start on.
            TransientVendorError: If it stops being JSON later: asked again, it may come whole.
        """
        if self._head is not None:
            self._head += chunk
            chunk = self._head.lstrip(_BLANK)
            if not chunk:
                return
            if chunk.startswith(b"<"):
                raise ContractError(
                    "an HTML page came in place of an export. Check the connection's URL; if it is right, try again "
                    "later."
                )
            chunk, self._head = self._head, None
        try:
            self._count(chunk)
        except DocumentError as error:
            raise _told(error) from None

    def finish(self, *, verified: bool) -> None:  # noqa: ARG002 - the document has an end of its own
        """Takes the end.

        Raises:
            TransientVendorError: If the file is cut.
            ContractError: If it is no export.
        """
        try:
            for members in self._splitter.finish():
                self._add(members.decoded)
        except DocumentError as error:
            raise _told(error) from None

    def _count(self, chunk: bytes) -> None:
        for members in self._splitter.feed(chunk):
            self._add(members.decoded)

    def _add(self, found: list[Keyed] | None) -> None:
        self.rows += 1 if found is None else sum(one.records for one in found)


def _told(error: DocumentError) -> ContractError | TransientVendorError:
    if isinstance(error, CutError):
        return TransientVendorError(f"the export {error}: it was cut off.")
    if isinstance(error, BrokenError) and error.at > _START_BYTES:
        return TransientVendorError(f"the export {error}: the vendor broke off, or it was damaged on the way.")
    if isinstance(error, NoRecordsError):
        return ContractError(f"the export {error}. Look at what came, and ask the vendor.")
    return ContractError(f"what should be an export of profiles {error}. Look at what came, and ask the vendor.")
