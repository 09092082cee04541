"""What the client hands back: an answer in memory, or a file on disk; and what may look at a body in passing.

Not here: how either is fetched (`client.py`), what a vendor's body must look like (`vendors/`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from json import JSONDecodeError
from pathlib import Path
from typing import Any, Protocol, TypeVar

from journey_pipeline.errors import ContractError
from journey_pipeline.formats.plain_json import read_json
from journey_pipeline.transport.failures import Asked
from journey_pipeline.transport.retry import http_date, retry_after_s

T = TypeVar("T")


class Inspector(Protocol):
    """Looks at one body while it lands. Its `VendorError`s end the attempt; only the transient ones lead to another.

    It says which of the two it met. A cut, a body that ended early, is a `TransientVendorError`: asked for again, or in
    smaller pieces, it may come whole. A fault of form is a `ContractError`, or a `DamagedAnswerError` where another try
    may come without it; asking for less helps neither.
    """

    def feed(self, chunk: bytes) -> None:
        """Takes the next piece, inflated; cut anywhere."""
        ...

    def finish(self, *, verified: bool) -> None:
        """Takes the end.

        Args:
            verified: Whether the wire proved that nothing is missing: a gzip trailer that fits.
        """
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer whose body is in memory.

    Attributes:
        status: The HTTP status.
        headers: By name, in any case.
        body: Inflated; empty if it was left unread.
        asked: What it answers.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    asked: Asked = field(repr=False)

    @property
    def retry_after_s(self) -> float | None:
        """How many seconds the vendor asks to wait, where it says so."""
        return retry_after_s(self.headers)

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            TransientVendorError: If it ends in the middle: it was cut off.
            ContractError: If it is none.
        """
        try:
            return read_json(self.body)
        except ValueError as error:
            quote = self.asked.redactor.quote(self.body)
            is_cut = isinstance(error, JSONDecodeError) and _ends_early(error)
        if is_cut:
            raise self.asked.transient(
                f"answered {self.status}: JSON that ends in the middle ({quote}): it was cut off. Run it again later.",
                status=self.status,
            )
        raise self.broken(f"a body that is not JSON ({quote or 'empty'}). Check the connection's URL.")

    def broken(self, how: str) -> ContractError:
        """The error that says in what way this answer is not as documented."""
        return self.asked.contract(f"answered {self.status}: {how}", status=self.status)

    def read_by(self, read: Callable[[Any], T]) -> T:
        """What a vendor's reader makes of the JSON; its errors are told where they happened.

        Raises:
            TransientVendorError: As for `json`.
            ContractError: If the body is no JSON, or the reader says that it is not as documented.
        """
        try:
            return read(self.json())
        except ContractError as error:
            if error.vendor is None:
                self.asked.complete(error, status=self.status)
            raise


def _ends_early(error: JSONDecodeError) -> bool:
    """Whether a document has begun as JSON does and more of it was expected where it ends."""
    text = error.doc.strip()
    return text[:1] in {"{", "["} and (error.msg.startswith("Unterminated") or not error.doc[error.pos :].strip())


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A body that lies on disk, complete.

    Attributes:
        path: Where.
        sha256: Of the file as it lies there.
        bytes: Its size.
        raw_bytes: Size of the body inflated.
        received_as: `gzip` if these are the vendor's bytes, `identity` if they were compressed here.
        headers: Of the answer, by name, in any case.
        seconds: From the first attempt's start to the file in place.
        attempts: How many it took.
        inspector: The one that saw this body to its end, or None.
    """

    path: Path
    sha256: str
    bytes: int
    raw_bytes: int
    received_as: str
    headers: Mapping[str, str]
    seconds: float
    attempts: int
    inspector: Any = None

    @property
    def dated(self) -> datetime | None:
        """What the vendor's clock said when the answer began: its `Date`, if that is one."""
        return http_date(self.headers.get("Date", ""))
