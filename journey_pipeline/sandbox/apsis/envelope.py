"""Refusals in the vendor's words, and those of faults. The vendor's envelope is unpublished: `message` and `code`.

Not here: when a call is refused (`orders.py`, `tokens.py`, `exports.py`), and what is wrong on the wire
(`sandbox/wire.py`, `sandbox/bodies.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from starlette.responses import JSONResponse, Response

HTML = "<html><body><h1>Bad gateway</h1></body></html>"


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


def faulty_answer(kind: str) -> Response | None:
    """The answer of a fault that replaces the vendor's answer; None for the kinds that act elsewhere."""
    make = _FAULTY.get(kind)
    return make() if make else None


_FAULTY: dict[str, Callable[[], Response]] = {
    "401": lambda: refusal(401, "Unauthorized"),
    "429": lambda: refusal(429, "Too many requests", headers={"Retry-After": "5"}),
    "429_blocked": lambda: refusal(429, "Too many requests"),
    "429_long": lambda: refusal(429, "Too many requests", headers={"Retry-After": "3600"}),
    "500": lambda: refusal(500, "Internal error"),
    "502": lambda: Response(HTML, 502, media_type="text/html"),
    "503": lambda: refusal(503, "Processing of the export failed"),
    "504": lambda: refusal(504, "The service took too long"),
    "json_200": lambda: JSONResponse({"code": "0", "message": "Something broke"}, 200),
    "html_200": lambda: Response(HTML, 200, media_type="text/html"),
}
