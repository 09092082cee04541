"""What was asked, of whom, and the errors that say so: every message of the transport is made here.

A message says what was attempted, what came back and what to do next, redacted. Not here: which status is which kind
of error (`retry.py`), the error classes themselves (`journey_pipeline/errors.py`).
"""

from __future__ import annotations

import http.client
from dataclasses import dataclass
from typing import Any

from journey_pipeline.errors import (
    ContractError,
    DamagedAnswerError,
    PermanentVendorError,
    TransientVendorError,
    VendorError,
)
from journey_pipeline.transport.redaction import Redactor

_MESSAGE_LIMIT = 600
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
        vendor: The vendor's short name.
        connection: The configured account.
        stream: The kind of record, where known.
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
        """The same error, told where it happened; for those raised by whoever looked at a body."""
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


def answered(redactor: Redactor, status: int, body: bytes, explanation: str) -> str:
    """What a refusal looks like in a message: status, the start of the body, what the vendor means, what to do."""
    quote = redactor.quote(body)
    parts = [f"answered {status}{f' ({quote})' if quote else ' with an empty body'}."]
    parts += [f"{part.rstrip('.')}." for part in (explanation.strip(), _NEXT.get(status, "")) if part]
    return " ".join(parts)


def reason(error: BaseException) -> str:
    """Why a connection failed, in the words of the operating system where it said any; no addresses."""
    root = error
    while (deeper := root.__cause__ or root.__context__) is not None:
        root = deeper
    if type(root) is http.client.HTTPException:  # of the library's own words alone
        return str(root)
    text = getattr(root, "strerror", None) or type(root).__name__
    return str(text)
