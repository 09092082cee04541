"""Results of a request: an answer in memory, a file on disk, or an error with the request and the answer.

Every message of the transport is made here: what was attempted, what came back and what to do next, redacted. Not here:
which status is which kind of error (`retry.py`), the error classes themselves (`errors.py`).
"""

from __future__ import annotations

import http.client
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from json import JSONDecodeError
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar, runtime_checkable

from journey_pipeline.errors import (
    ContractError,
    DamagedAnswerError,
    NotSentError,
    PermanentVendorError,
    TransientVendorError,
    VendorError,
)
from journey_pipeline.formats.small_answers import read_json
from journey_pipeline.transport.redaction import Redactor

_MESSAGE_LIMIT = 600
_MOST_S = 1e9  # thirty years: a header may hold any number of digits
_CONTEXT = ("vendor", "connection", "stream", "window", "status")

_NEXT = {
    400: "The request itself is refused: compare it with the vendor's documentation.",
    401: "Check the connection's credentials.",
    403: "Check what the connection's credentials are allowed to do.",
    404: "Check the connection's URL, and whether the vendor has enabled this route for the account.",
    429: "The vendor throttles: ask less often, or later.",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as messages name it.

    Attributes:
        redactor: Takes the secrets out of everything that is said.
        window: The window asked for, as text, where known.
        what: Method and address, without the query.
    """

    redactor: Redactor
    vendor: str
    connection: str
    stream: str | None
    window: str | None
    what: str

    def __str__(self) -> str:
        who = "/".join(part for part in (self.connection, self.stream) if part)
        return f"{who}{f' {self.window}' if self.window else ''}: {self.what}"

    def transient(
        self, came: str, *, status: int | None = None, retry_after_s: float | None = None
    ) -> TransientVendorError:
        """An error that is worth another attempt; `came` says what came back and what to do."""
        return TransientVendorError(self._say(came), retry_after_s=retry_after_s, **self._context(status))

    def not_sent(self, came: str) -> NotSentError:
        """An error before anything was sent."""
        return NotSentError(self._say(came), **self._context(None))

    def damaged(self, came: str, *, status: int | None = None) -> DamagedAnswerError:
        """An answer that is broken in its middle."""
        return DamagedAnswerError(self._say(came), **self._context(status))

    def permanent(
        self, came: str, *, status: int | None = None, retry_after_s: float | None = None
    ) -> PermanentVendorError:
        """An error that is not."""
        return PermanentVendorError(self._say(came), retry_after_s=retry_after_s, **self._context(status))

    def contract(self, came: str, *, status: int | None = None) -> ContractError:
        """An answer that is not as documented."""
        return ContractError(self._say(came), **self._context(status))

    def complete(self, error: VendorError, *, status: int | None = None) -> VendorError:
        """Adds vendor, connection and stream to an error that an inspector of a body raised."""
        for name, value in self._context(status).items():
            if getattr(error, name) is None:
                setattr(error, name, value)
        error.args = (self._say(str(error)),)
        return error

    def _context(self, status: int | None) -> dict[str, Any]:
        return dict(zip(_CONTEXT, (self.vendor, self.connection, self.stream, self.window, status), strict=True))

    def _say(self, came: str) -> str:
        said = self.redactor.text(came)
        message = (
            f"{self.redactor.text(str(self))}: {said if len(said) <= _MESSAGE_LIMIT else said[:_MESSAGE_LIMIT] + '…'}"
        )
        return message.encode("utf-8", "replace").decode()  # half of a surrogate pair can't be shown or kept


class Refusal(NamedTuple):
    """A vendor's refusal, as its own module reads it.

    Attributes:
        said: The vendor's own words, if it gave any.
        advice: What to do, a sentence; `<CONNECTION>` stands for the prefix of the variables. Empty: what the status
            suggests.
    """

    said: str = ""
    advice: str = ""


def answered(redactor: Redactor, status: int, body: bytes, refusal: Refusal, *, meant: int) -> str:
    """The text of a refusal: status, the vendor's words or else the start of the body, and one advice.

    Args:
        meant: The status that it means, by which advice is given.
    """
    quote = f"the vendor says: {refusal.said.strip().rstrip('.')}" if refusal.said.strip() else redactor.quote(body)
    came = f"answered {status}{f' ({quote})' if quote else ' with an empty body'}."
    advice = refusal.advice or _NEXT.get(meant, "")
    return f"{came} {advice.rstrip('.')}." if advice else came


def reason(error: BaseException) -> str:
    """Why a connection failed, in the words of the operating system where it said any; no addresses."""
    root = error
    while (deeper := root.__cause__ or root.__context__) is not None:
        root = deeper
    if type(root) is http.client.HTTPException:  # of the library's own words alone
        return str(root)
    text = getattr(root, "strerror", None) or type(root).__name__
    return str(text)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """The seconds of the `Retry-After` header; None if it is absent or unreadable.

    A date counts from the answer's own `Date`, so that a vendor's wrong clock does no harm. Source: RFC 9110, 10.2.3.
    """
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value), _MOST_S)
    at = http_date(value)
    if at is None:
        return None
    return max(0.0, (at - (http_date(headers.get("Date", "")) or datetime.now(UTC))).total_seconds())


def http_date(value: str) -> datetime | None:
    """The instant that a header says, or None if it says none."""
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


T = TypeVar("T")


class Inspector(Protocol):
    """Looks at one body while it lands. Its `VendorError`s end the attempt; only the transient ones lead to another.

    A body that ended early is a `TransientVendorError`: asked for again, or in smaller pieces, it may come whole. A
    fault of form is a `ContractError`, or a `DamagedAnswerError` where another try may come without it.
    """

    def feed(self, chunk: bytes) -> None:
        """Takes the next piece, inflated; cut anywhere."""
        ...

    def finish(self, *, verified: bool) -> None:
        """Takes the end. `verified`: the wire proved that nothing is missing, by a gzip trailer that fits."""
        ...


@runtime_checkable
class FileInspector(Inspector, Protocol):
    """An inspector that also looks at the whole file, which has an order of its own."""

    def look(self, file: Path) -> None:
        """Looks at the file before it is put in place; raises as an inspector does."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer whose body is in memory.

    Attributes:
        headers: By name, in any case.
        body: Inflated; empty if it was left unread.
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
        """The result of a vendor's reader of the JSON; its errors name the request.

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
class Place:
    """Where a download goes.

    Attributes:
        file: Where the file appears when all is well.
        on_bytes: Told the size of each piece that came over the wire, of all attempts.
        evidence: Where the start and the end of an inflated answer are kept that is not as documented.
    """

    file: Path
    on_bytes: Callable[[int], None] | None = None
    evidence: Path | None = None


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A body that lies on disk, complete.

    Attributes:
        sha256: Of the file as it lies there.
        raw_bytes: Size of the body inflated.
        received_as: How the vendor sent it, `gzip` or `identity`. Where it lies in the same way, these are its bytes.
        headers: Of the answer, by name, in any case.
        inspector: The one that saw this body to its end, or None.
    """

    path: Path
    sha256: str
    bytes: int
    raw_bytes: int
    received_as: str
    headers: Mapping[str, str]
    attempts: int
    inspector: Any = None

    @property
    def dated(self) -> datetime | None:
        """The time of the vendor's clock when the answer began: its `Date`, if valid."""
        return http_date(self.headers.get("Date", ""))
