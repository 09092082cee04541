"""A sandbox for each test, over one world, and a caller that speaks to it as any HTTP client would.

Not here: the project's own client, which must not be able to agree with the sandbox by accident.
"""

from __future__ import annotations

import csv
import io
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from journey_pipeline.model import Window, iso
from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.options import SandboxOptions
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline_tests.sandbox.apsis_caller import ApsisCaller
from journey_pipeline_tests.sandbox.cases import Case
from journey_pipeline_tests.sandbox.layerfive_caller import LayerFiveCaller

NOW = datetime(2026, 11, 20, 20, tzinfo=UTC)
START = datetime(2026, 11, 18, 9, tzinfo=UTC)


@dataclass
class Caller:
    """Calls the simulated Salesforce over real HTTP."""

    sandbox: Sandbox
    session: requests.Session = field(default_factory=requests.Session)
    bearer: str | None = None

    @property
    def base(self) -> str:
        return f"{self.sandbox.url}/sfmc"

    def token(self, **changes: object) -> requests.Response:
        asked = {"grant_type": "client_credentials", "client_id": "sandbox", "client_secret": "sandbox-secret"}
        return self.session.post(f"{self.base}/v2/token", json={**asked, **changes}, timeout=30)

    def login(self, **changes: object) -> None:
        self.bearer = self.token(**changes).json()["access_token"]

    def headers(self, **more: str) -> dict[str, str]:
        if self.bearer is None:
            self.login()
        return {"Authorization": f"Bearer {self.bearer}", **more}

    def get(self, path: str, **parameters: str) -> requests.Response:
        url = f"{self.base}/interaction/v1/interactions{path}"
        return self.session.get(url, params=parameters, headers=self.headers(), timeout=30)

    def estimate(self, body: object, **parameters: str) -> requests.Response:
        return self._history("estimate", body, parameters, {})

    def download(
        self, body: object, *, headers: dict[str, str] | None = None, stream: bool = False, **parameters: str
    ) -> requests.Response:
        return self._history("download", body, parameters, {"x-direct-pipe": "true", **(headers or {})}, stream=stream)

    def rows(self, body: object, **parameters: str) -> list[dict[str, str]]:
        answer = self.download(body, **parameters)
        assert answer.status_code == 200, answer.text
        return list(csv.DictReader(io.StringIO(answer.content.decode(), newline="")))

    def raw_download(self, body: object, *, encoding: str = "gzip", **parameters: str) -> bytes:
        """The body as it came, still packed; raises as `requests` does when the connection breaks."""
        with closing(self.download(body, headers={"Accept-Encoding": encoding}, stream=True, **parameters)) as answer:
            assert answer.status_code == 200
            return bytes(answer.raw.read(decode_content=False))

    def _history(
        self, route: str, body: object, parameters: dict[str, str], headers: dict[str, str], *, stream: bool = False
    ) -> requests.Response:
        query = "&".join(f"{name}={value}" for name, value in parameters.items())
        return self.session.post(
            f"{self.base}/interaction/v1/interactions/journeyhistory/{route}?{query}",
            json=body,
            headers=self.headers(**headers),
            stream=stream,
            timeout=60,
        )

    def on_the_wire(self, body: str, **headers: str) -> bytes:
        """Everything that comes back for a download on a connection of its own, until that ends."""
        where = urlsplit(self.base)
        path = f"{where.path}/interaction/v1/interactions/journeyhistory/download"
        given = {
            "Host": where.netloc,
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "Connection": "close",
            "x-direct-pipe": "true",
            **self.headers(),
            **headers,
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in given.items())
        received = b""
        with socket.create_connection((where.hostname or "", where.port or 0), timeout=30) as connection:
            connection.sendall(f"POST {path} HTTP/1.1\r\n{head}\r\n{body}".encode())
            while chunk := connection.recv(1 << 16):
                received += chunk
        return received


@pytest.fixture(scope="session")
def world() -> World:
    return World(rows_per_hour=400, contacts=2_000, late_share=0.05, steady=True, touchpoints_per_day=400)


@pytest.fixture(scope="session")
def running(world: World) -> Iterator[Sandbox]:
    with serve(world, clock=SandboxClock.frozen(NOW)) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    """The running sandbox as if just started: starting one takes longer than most tests."""
    begin_anew(running)
    return running


@pytest.fixture
def case(running: Sandbox, subtests: pytest.Subtests) -> Case:
    """Begins each case of a test with the sandbox as if just started; all cases that fail are shown."""

    @contextmanager
    def begin(**names: object) -> Iterator[None]:
        begin_anew(running)
        with subtests.test(**names):
            yield

    return begin


def begin_anew(sandbox: Sandbox) -> None:
    sandbox.clock.freeze(NOW)
    sandbox.faults.clear()
    sandbox.calls.clear()
    sandbox.options.change(SandboxOptions().model_dump_json().encode())
    sandbox.apsis.exports.clear()


@pytest.fixture
def caller(sandbox: Sandbox) -> Iterator[Caller]:
    caller = Caller(sandbox)
    with caller.session:
        yield caller


@pytest.fixture
def layerfive(sandbox: Sandbox) -> Iterator[LayerFiveCaller]:
    caller = LayerFiveCaller(sandbox)
    with caller.session:
        yield caller


@pytest.fixture
def apsis(sandbox: Sandbox) -> Iterator[ApsisCaller]:
    caller = ApsisCaller(sandbox)
    with caller.session:
        yield caller


@pytest.fixture
def hour() -> Window:
    """Long settled: two and a half days before the sandbox's present."""
    return Window(START, START + timedelta(hours=1))


@pytest.fixture
def asked(hour: Window) -> dict[str, Any]:
    return {"start": iso(hour.start), "end": iso(hour.end)}
