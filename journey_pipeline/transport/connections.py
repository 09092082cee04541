"""Connections that keep to their time-outs: for the head of an answer as a whole, and between two pieces of its body.

The libraries start a time-out anew with every byte that comes, so that an answer which trickles never ends; and they
read statuses of 100, and headers after a body, for as long as more of them come. Not here: how long is waited
(`timeouts.py`, `retry.py`), what is sent (`wire.py`).
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

_MOST_LINES = 500
_MOST_LINE_BYTES = 1 << 20
LEAST_S = 0.01  # none at all would mean for ever, or not to block


class TimedAdapter(HTTPAdapter):
    """Connections with a time-out of their own between pieces of a body; requests has one for both.

    Args:
        idle_s: How long to wait between two pieces.
        connections: How many to keep per host.
    """

    def __init__(self, idle_s: float, connections: int) -> None:
        self._pools = _pools(idle_s)
        super().__init__(pool_maxsize=connections)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """As requests makes it, with these connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """As requests makes it, with these connections."""
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = self._pools
        return manager


def hurry(response: requests.Response, left_s: float) -> None:
    """Lets the next piece of a body take no longer than is left for all of it."""
    connection = response.raw.connection
    if isinstance(connection, _Timed) and left_s < connection.idle_s:
        connection.answering.settimeout(max(LEAST_S, left_s))


class _HeadersWithoutEndError(http.client.HTTPException):
    """Lines came where an answer's body, or its end, should have."""

    strerror = f"its headers have no end: more than {_MOST_LINES} lines, or {_MOST_LINE_BYTES >> 20} MiB of them"


class _Lines:
    """What a connection sends, with a bound on the lines between two pieces of a body: status, headers, trailers.

    Args:
        sent: What is read from.
    """

    def __init__(self, sent: Any) -> None:
        self._sent = sent
        self._lines = self._bytes = 0

    def __getattr__(self, name: str) -> Any:
        if name.startswith("read"):
            self._lines = self._bytes = 0
        return getattr(self._sent, name)

    def readline(self, size: int = -1) -> bytes:
        line: bytes = self._sent.readline(size)
        self._lines += 1
        self._bytes += len(line)
        if self._lines > _MOST_LINES or self._bytes > _MOST_LINE_BYTES or len(line) == size:
            raise _HeadersWithoutEndError
        return line


class _Answer(http.client.HTTPResponse):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fp: Any = _Lines(self.fp)


class _Timed(HTTPConnection):
    response_class = _Answer
    idle_s: float
    answering: socket.socket

    def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override]
        # Taken before: http.client lets go of the socket when the answer says that the connection will close.
        self.answering = self.sock
        is_late = threading.Event()

        def end() -> None:
            is_late.set()
            with contextlib.suppress(OSError):
                self.answering.shutdown(socket.SHUT_RDWR)

        ending = threading.Timer(self.timeout or LEAST_S, end)
        ending.start()
        try:
            response = super().getresponse()
        except (http.client.HTTPException, OSError):
            if is_late.is_set():
                raise TimeoutError from None
            raise
        finally:
            ending.cancel()
        if is_late.is_set():  # a head that was cut off looks whole
            response.close()
            raise TimeoutError
        self.answering.settimeout(self.idle_s)
        return response


def _pools(between_pieces_s: float) -> dict[str, type[HTTPConnectionPool]]:
    class Plain(_Timed):
        idle_s = between_pieces_s

    class Encrypted(_Timed, HTTPSConnection):
        idle_s = between_pieces_s

        def connect(self) -> None:
            with contextlib.suppress(TimeoutError):  # of the handshake; urllib3 would call it one of the answer
                super().connect()
                return
            raise ssl.SSLError(ssl.SSL_ERROR_WANT_READ, "the handshake was not answered in time")

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class EncryptedPool(HTTPSConnectionPool):
        ConnectionCls = Encrypted

    return {"http": PlainPool, "https": EncryptedPool}
