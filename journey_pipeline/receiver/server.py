"""The receiver as a server: connections that may not linger, the calls that wait, and an orderly end.

Not here: what is answered (`app.py`), the command line (`cli/receiver.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import socket
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from journey_pipeline.receiver.app import ARRIVES_S, Receiver
from journey_pipeline.signals import ended_by

LONGEST_HEAD_BYTES = 16 << 10
DRAINS_EVERY_S = 5.0
ENDS_WITHIN_S = 10
BACKLOG = 2_048

log = logging.getLogger(__name__)


def server(receiver: Receiver, *, trusted_proxies: Sequence[str] = ()) -> Server:
    """The server of a receiver.

    Args:
        trusted_proxies: Addresses and networks whose `X-Forwarded-For` is believed.
    """
    _take_many_connections()
    config = uvicorn.Config(
        receiver,
        loop="asyncio",
        http=_Protocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=list(trusted_proxies),
        server_header=False,
        log_config=None,
        access_log=False,  # a path is a secret
        timeout_keep_alive=int(ARRIVES_S),
        timeout_graceful_shutdown=ENDS_WITHIN_S,
        backlog=BACKLOG,
    )
    return Server(config, receiver)


class Server(uvicorn.Server):
    """Answers what it has when it is told to stop, and ends well by it."""

    def __init__(self, config: uvicorn.Config, receiver: Receiver) -> None:
        super().__init__(config)
        self._receiver = receiver

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Inside the block a signal stops the server; it is not raised again."""
        with ended_by(self._stop):
            yield

    async def main_loop(self) -> None:
        """As uvicorn's; beside it the calls that wait are taken."""
        draining = asyncio.create_task(self._drain())
        try:
            await super().main_loop()
        finally:
            draining.cancel()

    async def _drain(self) -> None:
        while True:
            try:
                await asyncio.to_thread(self._receiver.drain)
            except Exception:
                log.exception("the calls that wait could not be taken; they are tried again")
            await asyncio.sleep(DRAINS_EVERY_S)

    def _stop(self, *_: int | FrameType | None) -> None:
        self.should_exit = True


class _Protocol(HttpToolsProtocol):
    """A connection whose next request must arrive in time, and with a head of bounded length."""

    _lateness: asyncio.TimerHandle | None = None
    _head_bytes = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.access_log = False  # a path is a secret, however another library sets up logging

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = 0
        self._expect()

    def data_received(self, data: bytes) -> None:
        if self._lateness:
            self._head_bytes += len(data)
            if self._head_bytes > LONGEST_HEAD_BYTES + len(data):
                self.transport.abort()
                return
        super().data_received(data)

    def on_headers_complete(self) -> None:
        self._forget()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def _expect(self) -> None:
        self._forget()
        self._lateness = self.loop.call_later(ARRIVES_S, self._end)

    def _forget(self) -> None:
        if self._lateness:
            self._lateness.cancel()
            self._lateness = None

    def _end(self) -> None:
        self._lateness = None
        if not self.transport.is_closing():
            self.transport.abort()


def _take_many_connections() -> None:
    """Lets this process have as many connections as the system allows it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def serve(
    receiver: Receiver, listener: socket.socket, *, trusted_proxies: Sequence[str], on_ready: Callable[[], None]
) -> None:
    """Serves until Ctrl-C, SIGTERM or a closed terminal; calls under way are answered first."""
    serving = server(receiver, trusted_proxies=trusted_proxies)
    with listener, contextlib.closing(receiver), serving.capture_signals():
        on_ready()
        serving.run([listener])
