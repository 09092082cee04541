"""Refusals in the vendor's words, and those of faults. The vendor's envelope is unpublished: `message` and `code`.

Not here: when a call is refused (`orders.py`, `tokens.py`, `exports.py`), what else can go wrong (`sandbox/faults.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import JSONResponse, Response


class RefusedError(Exception):
    """A call that the vendor refuses.

    Args:
        message: What is wrong; names the field, never echoes a secret.
    """

    def __init__(self, status: int, message: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers

    def response(self) -> Response:
        """The refusal as an answer."""
        return refusal(self.status, str(self), headers=self.headers)


def refusal(status: int, message: str, *, headers: Mapping[str, str] | None = None) -> Response:
    """A refusal as an answer."""
    return JSONResponse({"code": f"{status}000", "message": message}, status, dict(headers or {}))


def words(status: int, retry_after_s: int | None = None) -> Response:
    """What the vendor says to each call while something is wrong with it."""
    if status == 200:  # noqa: PLR2004 - an error that looks like an answer
        return JSONResponse({"code": "0", "message": "Something broke"}, status)
    headers = None if retry_after_s is None else {"Retry-After": str(retry_after_s)}
    return refusal(status, _SAYS[status], headers=headers)


_SAYS = {
    401: "Unauthorized",
    429: "Too many requests",
    500: "Internal error",
    503: "Processing of the export failed",
    504: "The service took too long",
}
