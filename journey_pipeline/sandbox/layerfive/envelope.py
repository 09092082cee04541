"""Refusals in the words of the vendor's framework: `{"detail": "..."}`, or complaints by the name of a parameter.

Not here: when a call is refused (`question.py`, `simulator.py`), what else can go wrong (`sandbox/faults.py`).
"""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse, Response


class RefusedError(Exception):
    """A request that the vendor refuses.

    Args:
        body: JSON; text becomes the `detail` of an object.
    """

    def __init__(self, status: int, body: str | dict[str, Any]) -> None:
        super().__init__(str(body))
        self.status = status
        self.body = {"detail": body} if isinstance(body, str) else body

    def response(self) -> Response:
        """The refusal as an answer."""
        return JSONResponse(self.body, self.status)


def words(status: int, retry_after_s: int | None = None) -> Response:
    """What the vendor says to each call while something is wrong with it."""
    if status in _PAGES:
        return Response(_PAGES[status], status, media_type="text/html")
    when = "" if retry_after_s is None else f" Expected available in {retry_after_s} seconds."
    headers = None if retry_after_s is None else {"Retry-After": str(retry_after_s)}
    return JSONResponse({"detail": _SAYS[status] + when}, status, headers)


_PAGES = {
    500: "<h1>Server Error (500)</h1>",
    504: "<html><head><title>Maintenance</title></head><body><h1>We'll be back soon</h1></body></html>",
}
_SAYS = {
    200: "Something broke.",
    401: "Invalid token.",
    429: "Request was throttled.",
    503: "Service temporarily unavailable, try again later.",
}
