"""Refusals in the vendor's words, and those of faults: two envelopes on one host, and XML of the file host.

Not here: when a call is refused (`orders.py`, `storage.py`), what else can go wrong (`sandbox/faults.py`).
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
        return JSONResponse({"error": str(self)}, self.status, dict(self.headers or {}))


def words(status: int, retry_after_s: int | None = None) -> Response:
    """What the vendor says to each call while something is wrong with it."""
    headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
    if status in _PAGES:
        return Response(_PAGES[status], status, headers, media_type="text/html")
    if status == 200:  # noqa: PLR2004 - an error that looks like an answer
        return JSONResponse({"success": False, "message": "Something broke"}, status)
    if status == 401:  # noqa: PLR2004 - of the host-wide list
        return JSONResponse({"success": False, "message": "Partner token authentication failed."}, status, headers)
    return JSONResponse({"error": _SAYS[status]}, status, headers)


_PAGES = {
    500: "<html><body><h1>500 Internal Server Error</h1></body></html>",
    503: "<html><body><h1>503 Service Temporarily Unavailable</h1></body></html>",
    504: "<html><body><h1>504 Gateway Time-out</h1></body></html>",
}
_SAYS = {429: "rejected: too many requests"}


def xml(status: int, code: str, message: str) -> Response:
    """A refusal of the file host."""
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Response(body, status, media_type="application/xml")
