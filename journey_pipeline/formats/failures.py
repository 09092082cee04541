"""What can be wrong with a file of JSON as a whole; each says where, and never what stands there.

    DocumentError
      CutError           it ends before its own end: come again, or restore the file
      BrokenError        it is no JSON from some byte on
      OversizedError     one record is longer than is taken
      NoRecordsError     whole, and there is no array that could be the records

What is wrong with a single record is no error here: its bytes are given, and whoever reads them finds out.
"""

from __future__ import annotations

from collections.abc import Sequence


class DocumentError(Exception):
    """A file can't be read to its end.

    Args:
        message: What is wrong; completes "the answer ..." or "the file ...".
        at: Where, in bytes of the inflated file from its start, from 0.
    """

    def __init__(self, message: str, *, at: int) -> None:
        super().__init__(message)
        self.at = at


class CutError(DocumentError):
    """The bytes end before the document does."""


class BrokenError(DocumentError):
    """What stands there can't stand in JSON."""


class OversizedError(DocumentError):
    """A record, or a member, is longer than allowed."""


class NoRecordsError(DocumentError):
    """A whole document in which no array of records could be made out.

    Args:
        message: As for `DocumentError`.
        at: Likewise.
        names: The names of the members of its outer object, in their order.
    """

    def __init__(self, message: str, *, at: int, names: Sequence[str]) -> None:
        super().__init__(message, at=at)
        self.names = tuple(names)
