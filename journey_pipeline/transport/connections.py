"""One request and its answer over the wire: time-outs that hold, the session, and redirects followed by hand.

Not here: where a redirect may lead (`request.py`), tries and what a status means for them (`client.py`), where a body
goes (`download.py`).
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from journey_pipeline.transport.auth import Credential
from journey_pipeline.transport.request import Destinations, Request, origin
from journey_pipeline.transport.response import Asked, reason
from journey_pipeline.transport.retry import Attempt


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Limits of one request, in seconds.

    Attributes:
        connect_s: Until the connection stands.
        first_byte_s: From the request to the end of the answer's head; exports think for a while before they answer.
        idle_s: Between two pieces of the body.
    """

    connect_s: float = 10.0
    first_byte_s: float = 300.0
    idle_s: float = 60.0


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
        """Like the one of requests, with these connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Like the one of requests, with these connections."""
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = self._pools
        return manager


def hurry(response: requests.Response, left_s: float) -> None:
    """Limits the time of a body's next piece to what is left for all of it."""
    connection = response.raw.connection
    if isinstance(connection, _Timed) and left_s < connection.idle_s:
        connection.answering.settimeout(max(LEAST_S, left_s))


class _HeadersWithoutEndError(http.client.HTTPException):
    """Lines came where an answer's body, or its end, should have."""

    strerror = f"its headers have no end: more than {_MOST_LINES} lines, or {_MOST_LINE_BYTES >> 20} MiB of them"


class _Lines:
    """What a connection sends, with a bound on the lines between two pieces of a body: status, headers, trailers."""

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


MAX_REDIRECTS = 5


_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class Wire:
    """Sends requests. Fit for threads: the pool of connections is shared, nothing else is kept between requests.

    Args:
        connections: How many to keep per host.
        destinations: Which hosts may be asked.

    Attributes:
        destinations: As given.
    """

    def __init__(self, timeouts: Timeouts, user_agent: str, connections: int, destinations: Destinations) -> None:
        self.destinations = destinations
        self._timeouts = timeouts
        self._session = _Session()
        self._session.headers.clear()
        self._session.headers.update({"User-Agent": user_agent, "Accept": "*/*", "Accept-Encoding": "gzip"})
        # Without this, requests would take credentials from a .netrc file and put them over ours.
        self._session.auth = _as_it_is
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = TimedAdapter(timeouts.idle_s, connections)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def open(
        self,
        request: Request,
        asked: Asked,
        *,
        credential: Credential | None,
        pace: Callable[[], None],
        attempt: Attempt,
    ) -> requests.Response:
        """Sends, follows redirects, and gives the answer with its body unread.

        Args:
            credential: Goes to the host of the request's address and to no other.
            pace: Called before each request, redirects included.
            attempt: Knows how much time is left for all of it, redirects included; the session's own limits apply too.

        Raises:
            TransientVendorError: If no answer came.
            PermanentVendorError: If it can't be sent, or is redirected without end or where it must not go.
        """
        start, home = request.url, origin(request.url)
        for _ in range(MAX_REDIRECTS + 1):
            pace()
            if origin(request.url) != home:
                credential = None
            response = self._send(request, asked, credential, max(LEAST_S, attempt.left_s))
            location = response.headers.get("Location")
            if response.status_code not in _REDIRECTS or not location:
                return response
            response.close()
            request = request.redirected(response.status_code, location, asked)
            self.destinations.refuse_redirect(start, request.url, asked, status=response.status_code)
        raise asked.permanent(
            f"was redirected more than {MAX_REDIRECTS} times. Check the connection's URL.", status=response.status_code
        )

    def close(self) -> None:
        """Closes the connections."""
        self._session.close()

    def _send(self, request: Request, asked: Asked, credential: Credential | None, left_s: float) -> requests.Response:
        connect_s, first_byte_s = (min(s, left_s) for s in (self._timeouts.connect_s, self._timeouts.first_byte_s))
        carried = {credential.header: credential.value} if credential else {}
        try:
            return self._session.request(
                request.method,
                request.url,
                data=request.body,
                headers={**request.headers, **carried},
                timeout=urllib3.Timeout(left_s, connect_s, first_byte_s),  # type: ignore[arg-type]  # it takes one
                stream=True,
                allow_redirects=False,
            )
        # `from None` throughout: what requests says holds addresses with their queries, and header values.
        except requests.exceptions.SSLError as error:
            why = reason(error)
            if "CERTIFICATE_VERIFY_FAILED" in f"{error}":
                raise asked.permanent(
                    "its certificate is not trusted. Check the connection's URL and the machine's certificates."
                ) from None
            raise asked.transient(f"the TLS handshake failed ({why}).") from None
        except requests.exceptions.ConnectTimeout:
            raise asked.transient(f"could not connect within {round(connect_s, 1):g} s.") from None
        except requests.exceptions.ReadTimeout:
            raise asked.transient(f"no answer within {round(first_byte_s, 1):g} s.") from None
        except requests.exceptions.ConnectionError as error:
            raise asked.transient(
                f"no answer: {reason(error)}. If this happens again, check the connection's URL and the network."
            ) from None
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, ValueError) as error:
            raise asked.permanent(
                f"can't be sent ({type(error).__name__}). Check the connection's URL and credentials for stray "
                "characters."
            ) from None


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002
        """None: redirects are followed by hand, and the body of one is never read."""
        return None


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request
