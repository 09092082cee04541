"""Refusals in the vendor's words: the error envelope of the REST routes, that of the token route, and those of faults.

Not here: when a request is refused (`query.py`, `tokens.py`), and what is wrong on the wire (`sandbox/wire.py`,
`sandbox/bodies.py`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from starlette.responses import JSONResponse, Response

_DOCUMENTATION = "https://developer.salesforce.com/docs/marketing/marketing-cloud/guide/error-handling.html"
HTML = "<html><body><h1>Bad gateway</h1></body></html>"

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


def faulty_answer(kind: str) -> Response | None:
    """The answer of a fault that replaces the vendor's answer; None for the kinds that act on the wire."""
    make = _FAULTY.get(kind)
    return make() if make else None


_FAULTY: dict[str, Callable[[], Response]] = {
    "401": lambda: refusal(401, 0, "Not Authorized"),
    "429": lambda: refusal(429, 50100, "Too many requests", headers={"Retry-After": "5"}, retryAfter=5),
    "429_blocked": lambda: refusal(429, 50200, "Requests of this account are blocked for a while"),
    "429_long": lambda: refusal(429, 50100, "Too many requests", headers={"Retry-After": "3600"}, retryAfter=3600),
    "500": lambda: refusal(500, 0, "The service failed"),
    "502": lambda: Response(HTML, 502, media_type="text/html"),
    "503": lambda: refusal(503, 0, "The service is not available"),
    "504": lambda: refusal(504, 0, "The service took too long"),
    "json_200": lambda: Response(json.dumps(envelope(0, "Something broke")), 200, media_type="text/csv"),
    "html_200": lambda: Response(HTML, 200, media_type="text/html"),
}
