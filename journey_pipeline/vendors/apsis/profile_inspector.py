"""What the file of a profile export must look like, checked in passing while it lands: whole, and its events counted.

Not here: what an event holds (`profile_reader.py`).
"""

from __future__ import annotations

from journey_pipeline.errors import ContractError, DamagedAnswerError, TransientVendorError
from journey_pipeline.formats.failures import BrokenError, CutError, DocumentError, NoRecordsError, OversizedError
from journey_pipeline.formats.foreign import foreign_form
from journey_pipeline.vendors.apsis.profile_file import LONGEST_PROFILE_BYTES, Keyed, splitter

_BLANK = b" \t\r\n\xef\xbb\xbf"
_MARK_BYTES = 3
_START_BYTES = 4096


class ProfileInspector:
    """Checks one file and counts its events.

    Args:
        longest_bytes: The most bytes that are held of one profile.

    Attributes:
        rows: Events, and things in place of profiles; final once `finish` has returned.
    """

    def __init__(self, longest_bytes: int = LONGEST_PROFILE_BYTES) -> None:
        self.rows = 0
        self._profiles = 0
        self._splitter = splitter(as_raw=True, longest_bytes=longest_bytes)
        self._head: bytes | None = b""

    def feed(self, chunk: bytes) -> None:
        """Takes the next piece, cut anywhere.

        Raises:
            ContractError: If it is a page, or no JSON from its start on.
            DamagedAnswerError: If it stops being JSON later: asked again, it may come whole.
        """
        if self._head is not None:
            self._head += chunk
            chunk = self._head.lstrip(_BLANK)
            if not chunk:
                # Blanks without end must not fill the memory; a mark that stands in front is kept.
                self._head = self._head[:_MARK_BYTES]
                return
            if form := foreign_form(chunk):
                raise ContractError(f"{form} came in place of JSON in UTF-8. Ask the vendor for JSON in UTF-8.")
            if chunk.startswith(b"<"):
                raise ContractError(
                    "an HTML page came in place of an export. Check the connection's URL; if it is right, try again "
                    "later."
                )
            chunk, self._head = self._head, None
        try:
            self._count(chunk)
        except DocumentError as error:
            raise self._told(error) from None

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
            raise self._told(error) from None

    def _count(self, chunk: bytes) -> None:
        for members in self._splitter.feed(chunk):
            self._add(members.decoded)

    def _add(self, found: list[Keyed] | None) -> None:
        self.rows += 1 if found is None else sum(one.records for one in found)
        self._profiles += 1 if found is None else len(found)

    def _told(self, error: DocumentError) -> ContractError | TransientVendorError:
        so_far = f"{self.rows:,} events in {self._profiles:,} profiles before that are whole"
        if isinstance(error, CutError):
            return TransientVendorError(f"the export {error}: it was cut off; {so_far}.")
        if isinstance(error, BrokenError) and error.at > _START_BYTES:
            return DamagedAnswerError(f"the export {error}: it is broken in its middle; {so_far}.")
        return _not_taken(error)


def _not_taken(error: DocumentError) -> ContractError:
    if isinstance(error, OversizedError):
        return ContractError(
            f"the export {error}, and no events to cut it between. Raise `longest_profile_mib` in defs.yaml: memory is "
            "some ten times that at most."
        )
    if isinstance(error, NoRecordsError):
        return ContractError(f"the export {error}. Look at what came, and ask the vendor.")
    return ContractError(f"what should be an export of profiles {error}. Look at what came, and ask the vendor.")
