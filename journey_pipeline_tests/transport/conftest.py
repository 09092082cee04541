from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from journey_pipeline.transport.client import HttpClient
from journey_pipeline.transport.retry import Limits, Waits, no_waiting
from journey_pipeline_tests.transport.flaky_server import FlakyServer, MakeClient

UNLIMITED = Limits(requests_per_s=1e9, concurrency=64)


@pytest.fixture
def server() -> Iterator[FlakyServer]:
    server = FlakyServer()
    yield server
    server.close()


@pytest.fixture
def waits() -> Iterator[Waits]:
    with no_waiting() as waits:
        yield waits


@pytest.fixture
def client_of(monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeClient]:
    """Makes clients of a server, each of a connection of its own unless told otherwise."""
    with ExitStack() as stack:

        def make(server: FlakyServer, *, download_hosts: str = "", **settings: Any) -> HttpClient:
            given = {
                "vendor": "acme",
                "connection": f"acme_{uuid.uuid4().hex[:8]}",
                "base_url": server.url,
                "limits": UNLIMITED,
                **settings,
            }
            monkeypatch.setenv(f"{given['connection']}_download_hosts".upper(), download_hosts)
            return stack.enter_context(HttpClient(**given))

        yield make


@pytest.fixture
def all_logs(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG)
    return caplog
