"""Calls the simulated LayerFive over real HTTP, and reads its default shape."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec
import requests

from journey_pipeline.model import Window
from journey_pipeline.sandbox.sandbox import Sandbox

PATH = "/api/v1/customer-journey-details"
NOW = datetime(2026, 11, 20, 20, tzinfo=UTC)  # where the clock of the tests' sandbox stands
DAY = timedelta(days=1)


def day(text: str) -> Window:
    start = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return Window(start, start + DAY)


def bag(records: Iterable[Any]) -> Counter[bytes]:
    """Records without their order, each as often as it comes."""
    return Counter(msgspec.json.encode(record, order="deterministic") for record in records)


@dataclass
class LayerFiveCaller:
    """Calls with the good key, unless told another one."""

    sandbox: Sandbox
    session: requests.Session = field(default_factory=requests.Session)

    @property
    def url(self) -> str:
        return f"{self.sandbox.environment()['LAYERFIVE_URL']}{PATH}"

    def headers(self, **more: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.sandbox.environment()['LAYERFIVE_API_KEY']}", **more}

    def get(
        self, *, url: str | None = None, headers: dict[str, str] | None = None, stream: bool = False, **parameters: str
    ) -> requests.Response:
        given = self.headers() if headers is None else headers
        return self.session.get(
            url or self.url, params=parameters, headers=given, stream=stream, timeout=60, allow_redirects=False
        )

    def document(self, **parameters: Any) -> Any:
        answer = self.get(**parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def records(self, **parameters: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.document(**parameters)["results"]
        return found

    def on_the_wire(self, query: dict[str, str], **headers: str) -> bytes:
        """Everything that comes back on a connection of its own, until that ends."""
        where = urlsplit(self.url)
        given = {"Host": where.netloc, "Connection": "close", **self.headers(**headers)}
        head = "".join(f"{name}: {value}\r\n" for name, value in given.items())
        received = b""
        with socket.create_connection((where.hostname or "", where.port or 0), timeout=30) as connection:
            connection.sendall(f"GET {where.path}?{urlencode(query)} HTTP/1.1\r\n{head}\r\n".encode())
            while chunk := connection.recv(1 << 16):
                received += chunk
        return received
