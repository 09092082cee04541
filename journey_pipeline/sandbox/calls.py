"""Every call that the sandbox got, so that a test can say what was asked and, above all, what was not.

Tokens and secrets are left out. Not here: what was answered, but for the status.
"""

from __future__ import annotations

import json
import re
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

_SECRET_HEADER = re.compile(r"auth|cookie|key|token|secret|signature", re.IGNORECASE)
_SECRET_FIELD = re.compile(r"secret|password|token|api_?key", re.IGNORECASE)
_SECRET_PARAMETER = re.compile(r"(?<![^&])([^&=]*(?:signature|token|api_?key|secret)=)[^&]*", re.IGNORECASE)
_MOST_BODY_CHARS = 100_000


@dataclass(slots=True)
class Call:
    """One call.

    Attributes:
        vendor: Whose simulator got it.
        route: Name of the route, `unknown` if there is none.
        method: HTTP method, upper case.
        path: Path with the vendor's prefix.
        query: Query, decoded; the last value of a name; signatures as `***`.
        query_string: The same as it came, signatures as `***`.
        body: JSON or form as Python values, else text; secrets as `***`.
        headers: By lower-case name; tokens as `***`.
        at: When, on the sandbox's clock.
        status: Of the answer, None while there is none, 0 if the connection was dropped without one.
        fault: Kind of the fault that hit it, if one did.
    """

    vendor: str
    route: str
    method: str
    path: str
    query: dict[str, str]
    query_string: str
    body: Any
    headers: dict[str, str]
    at: datetime
    status: int | None = None
    fault: str | None = None


class CallLog:
    """The latest calls, oldest first; thread-safe."""

    def __init__(self, most: int = 100_000) -> None:
        self._calls: deque[Call] = deque(maxlen=most)
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._calls)

    def __iter__(self) -> Iterator[Call]:
        return iter(self.to())

    def __getitem__(self, index: int) -> Call:
        return self.to()[index]

    def add(self, call: Call) -> None:
        """Keeps a call."""
        with self._lock:
            self._calls.append(call)

    def to(self, route: str | None = None, *, vendor: str | None = None) -> list[Call]:
        """The calls to a route, such as `download`; all of them if None."""
        with self._lock:
            calls = list(self._calls)
        return [call for call in calls if route in {None, call.route} and vendor in {None, call.vendor}]

    def count(self, route: str | None = None) -> int:
        """How many calls a route got."""
        return len(self.to(route))

    def clear(self) -> None:
        """Forgets all calls."""
        with self._lock:
            self._calls.clear()


def recorded_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers without what opens a door."""
    return {
        name.lower(): f"{value.split()[0] if ' ' in value else ''} ***".strip()
        if _SECRET_HEADER.search(name)
        else value
        for name, value in headers.items()
    }


def recorded_query(query: str) -> str:
    """A query string without what opens a door."""
    return _SECRET_PARAMETER.sub(r"\1***", query)


def recorded_body(content_type: str, body: bytes) -> Any:
    """A body as Python values, without secrets."""
    text = body[:_MOST_BODY_CHARS].decode(errors="replace")
    value: Any = text
    if "form" in content_type:
        value = dict(parse_qsl(text))
    else:
        try:
            value = json.loads(body)
        except ValueError:
            return text
    if isinstance(value, dict):
        return {name: "***" if _SECRET_FIELD.search(name) else kept for name, kept in value.items()}
    return value
