"""Refusals in the vendor's words: the error envelope of the REST routes, that of the token route, and those of faults.

Not here: when a call is refused (`query.py`, `tokens.py`), what else can go wrong (`sandbox/faults.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse, Response

_DOCUMENTATION = "https://developer.salesforce.com/docs/marketing/marketing-cloud/guide/error-handling.html"

BROKEN_JSON, WRONG_TYPE, MISSING, BAD_VALUE = 10004, 10001, 10002, 10005
NOT_FOUND, FORBIDDEN = 30003, 20002


class RefusedError(Exception):
    """A request that the vendor refuses.

    Args:
        errorcode: The vendor's code, None where the body has none.
        message: What is wrong; names the field, never echoes a secret.
    """

    def __init__(self, status: int, errorcode: int | None, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.errorcode = errorcode

    def response(self) -> Response:
        """The refusal as an answer."""
        return refusal(self.status, self.errorcode, str(self))


def envelope(errorcode: int | None, message: str, **more: object) -> dict[str, Any]:
    """The body of a refusal; without a code it is the bare `message` that was once observed."""
    if errorcode is None:
        return {"message": message}
    return {"message": message, "errorcode": errorcode, "documentation": _DOCUMENTATION} | more


def refusal(
    status: int, errorcode: int | None, message: str, *, headers: Mapping[str, str] | None = None, **more: object
) -> Response:
    """A refusal as an answer."""
    return JSONResponse(envelope(errorcode, message, **more), status, dict(headers or {}))


def words(status: int, retry_after_s: int | None = None) -> Response:
    """What the vendor says to each call while something is wrong with it."""
    if status == 200:  # noqa: PLR2004 - an error that looks like an answer
        return Response(json.dumps(envelope(0, "Something broke")), status, media_type="text/csv")
    if retry_after_s is not None:
        headers = {"Retry-After": str(retry_after_s)}
        return refusal(status, 50100, "Too many requests", headers=headers, retryAfter=retry_after_s)
    if status == 429:  # noqa: PLR2004 - with another code than the above
        return refusal(status, 50200, "Requests of this account are blocked for a while")
    return refusal(status, 0, _SAYS[status])


_SAYS = {
    401: "Not Authorized",
    500: "The service failed",
    503: "The service is not available",
    504: "The service took too long",
}
