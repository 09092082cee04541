"""Connections that keep to their time-outs: for the head of an answer as a whole, and between two pieces of its body.

The libraries start a time-out anew with every byte that comes, so that an answer which trickles never ends. Not here:
how long is waited (`timeouts.py`, `retry.py`), what is sent (`wire.py`).
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


class _Timed(HTTPConnection):
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
