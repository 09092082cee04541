"""Refusals in the words of the vendor's framework: `{"detail": "..."}`, or complaints by the name of a parameter.

Not here: when a request is refused (`question.py`, `simulator.py`), and what is wrong on the wire (`sandbox/wire.py`,
`sandbox/bodies.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.responses import JSONResponse, Response

_HTML = "<html><head><title>Maintenance</title></head><body><h1>We'll be back soon</h1></body></html>"


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


def faulty_answer(kind: str) -> Response | None:
    """The answer of a fault that replaces the vendor's answer; None for the kinds that act on the wire."""
    make = _FAULTY.get(kind)
    return make() if make else None


def _throttled(retry_after_s: int | None) -> Response:
    text = "Request was throttled." + (f" Expected available in {retry_after_s} seconds." if retry_after_s else "")
    return JSONResponse({"detail": text}, 429, {"Retry-After": str(retry_after_s)} if retry_after_s else None)


_FAULTY: dict[str, Callable[[], Response]] = {
    "401": lambda: RefusedError(401, "Invalid token.").response(),
    "429": lambda: _throttled(5),
    "429_blocked": lambda: _throttled(None),
    "429_long": lambda: _throttled(3600),
    "500": lambda: Response("<h1>Server Error (500)</h1>", 500, media_type="text/html"),
    "502": lambda: Response(_HTML, 502, media_type="text/html"),
    "503": lambda: RefusedError(503, "Service temporarily unavailable, try again later.").response(),
    "504": lambda: Response(_HTML, 504, media_type="text/html"),
    "json_200": lambda: JSONResponse({"detail": "Something broke."}),
    "html_200": lambda: Response(_HTML, 200, media_type="text/html"),
}
