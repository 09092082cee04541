"""Reads an answer from its connection: pieces that come in time, a cut that is always noticed, gzip inflated.

The wire's own ends are checked (last chunk, Content-Length), and the trailer of gzip. Another member may follow it, and
zeros, which pad a file; anything else is an error. Source: RFC 1952, 2.2, and gzip(1). A body that ends early is cut. A
body that comes to its end and is no gzip is damaged; it is read to that end, so that its bytes can be compared with
those of another try. Not here: where the bytes go (`download.py`), what they mean (inspectors in `vendors/`).
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Any

import requests
import urllib3
from isal import igzip_lib, isal_zlib
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from journey_pipeline import settings
from journey_pipeline.errors import ContractError, DamagedAnswerError, TransientVendorError, text_of
from journey_pipeline.transport.addresses import Guard
from journey_pipeline.transport.response import Asked, reason
from journey_pipeline.transport.retry import Attempt

_MOST_LINES = 500
_MOST_LINE_BYTES = 1 << 20
LEAST_S = 0.01  # none at all would mean for ever, or not to block


class TimedAdapter(HTTPAdapter):
    """Connections with a time-out of their own between pieces of a body; requests has one for both.

    Args:
        idle_s: How long to wait between two pieces.
        guard: Checks the addresses of a host before one of them is connected to.
    """

    def __init__(self, idle_s: float, connections: int, guard: Guard | None = None) -> None:
        self._pools = _pools(idle_s, guard)
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
    """The bytes of a connection, with a bound on the lines between two pieces of a body: status, headers, trailers."""

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
    scheme = "http"
    guard: Guard | None = None
    answering: socket.socket

    def _new_conn(self) -> socket.socket:
        connect = super()._new_conn
        return self.guard.connect(self, self.scheme, connect) if self.guard else connect()

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


def _pools(between_pieces_s: float, checks: Guard | None) -> dict[str, type[HTTPConnectionPool]]:
    class Plain(_Timed):
        idle_s = between_pieces_s
        guard = checks

    class Encrypted(_Timed, HTTPSConnection):
        idle_s = between_pieces_s
        scheme = "https"
        guard = checks

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


_MAGIC = b"\x1f\x8b"
_LONGEST_NAMED = 40
_INFLATED_AT_ONCE = 1 << 20
_DEFLATED_AT_ONCE = 1 << 18
_LEVEL = 1
_GZIP_WINDOW = 31
_NO_CONTENT = 204
_PARTIAL_CONTENT = 206


class Body:
    """One answer's body; `instead` in place of one that is rightly empty.

    Iterating gives pairs of bytes as they came and the same inflated; either may be empty. It is
    complete when the iteration ends by itself. Where the connection broke, another answer may give the rest.

    Attributes:
        is_broken_off: Whether the connection broke: all that came until then has been given, and was well.
        is_gzip: Whether the vendor compressed it: said so, or sent a gzip file under another name. Known from the first
            pair on; an empty body is not compressed.
        wire: How many bytes came over the wire so far, and their checksum.
    """

    def __init__(
        self,
        response: requests.Response,
        asked: Asked,
        attempt: Attempt,
        chunk_bytes: int,
        *,
        instead: bytes = b"",
    ) -> None:
        self.is_gzip = False
        self.is_broken_off = False
        self.wire = Checksum()
        self._response = response
        self._asked = asked
        self._attempt = attempt
        self._chunk_bytes = chunk_bytes
        self._instead = instead
        self._encoding = response.headers.get("Content-Encoding", "").strip().lower()
        self._inflater = _inflater()
        self._after_trailer = b""
        self._goes_on = self._has_begun = self._is_damaged = False
        self._start = b""

    def go_on(self, response: requests.Response, attempt: Attempt) -> None:
        """Takes the rest from another answer, which starts where this one broke off."""
        self._response, self._attempt = response, attempt
        self._goes_on, self.is_broken_off = True, False

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        self._refuse_head()
        pieces = self._pieces()
        try:
            if not self._has_begun:
                yield from self._decoded(self._begin(pieces))
            for piece in pieces:
                yield from self._decoded(piece)
        except _DamageError as damage:
            self._is_damaged = True
            yield from ((piece, b"") for piece in pieces)
            raise self._damaged(text_of(damage)) from None
        if self.is_gzip and (not self._inflater.eof or self._after_trailer):
            raise self._cut("the gzip stream ended before its trailer")

    def _begin(self, pieces: Iterator[bytes]) -> bytes:
        """The start: a gzip file is known by its first two bytes, which may come one by one."""
        while len(self._start) < len(_MAGIC) and (piece := next(pieces, b"")):
            self._start += piece
        if not self._start and not self._may_be_empty():
            raise self._cut("no byte arrived, and no header says that the body is empty")
        self._has_begun = True
        self.is_gzip = bool(self._start) and ("gzip" in self._encoding or self._start.startswith(_MAGIC))
        return self._start or self._instead

    def _decoded(self, piece: bytes) -> Iterator[tuple[bytes, bytes]]:
        if self.is_gzip:
            yield from self._inflate(piece)
        else:
            yield piece, piece

    def too_large(self, largest_bytes: int) -> ContractError:
        """The error of a body that is larger than is taken."""
        return self._asked.contract(
            f"the body of the {self._response.status_code} inflates to more than {largest_bytes:,} bytes, the most "
            f"that one answer may have. Look at the start of it. If it is right, raise {settings.ANSWER_SIZE_VARIABLE} "
            "or ask for less at a time.",
            status=self._response.status_code,
        )

    def _refuse_head(self) -> None:
        status = self._response.status_code
        if status == _PARTIAL_CONTENT and not self._goes_on:
            raise self._asked.contract(
                "answered 206: a part of the answer, although all of it was asked for. Check gateways in between, "
                "and ask the vendor.",
                status=status,
            )
        if self._encoding not in {"", "identity", "gzip", "x-gzip"}:
            raise self._asked.contract(
                f"answered {status} in the encoding {self._encoding[:_LONGEST_NAMED]!r}, though gzip or none was asked "
                "for. Look for a gateway in between, and ask the vendor.",
                status=status,
            )

    def _may_be_empty(self) -> bool:
        # An answer that ends within its headers looks like an empty one that ends with its connection.
        headers = self._response.headers
        return (
            self._response.status_code == _NO_CONTENT or "Content-Length" in headers or "Transfer-Encoding" in headers
        )

    def _pieces(self) -> Iterator[bytes]:
        # read1 gives what has come, so that a trickle is seen as one; it knows the end of chunks and Content-Length.
        try:
            while piece := self._read():
                yield piece
                self._keep_to_time()
        except urllib3.exceptions.ReadTimeoutError:
            self.is_broken_off = not self._is_damaged
            raise self._cut("no byte arrived within the timeout") from None
        except urllib3.exceptions.HTTPError as error:
            self.is_broken_off = not self._is_damaged
            raise self._cut(f"the connection broke ({reason(error)})") from None

    def _read(self) -> bytes:
        hurry(self._response, self._attempt.left_s)
        piece: bytes = self._response.raw.read1(self._chunk_bytes, decode_content=False)
        self.wire.add(piece)
        return piece

    def _inflate(self, piece: bytes) -> Iterator[tuple[bytes, bytes]]:
        wire = rest = piece
        while True:
            if self._inflater.eof:
                rest = self._next_member(rest)
                if not rest:
                    break
            try:
                raw = self._inflater.decompress(rest, _INFLATED_AT_ONCE)
            except igzip_lib.IsalError as error:  # type: ignore[misc]  # a class, whatever the stub says
                raise _DamageError(f"the gzip stream is broken ({text_of(error)})") from None
            yield wire, raw
            self._keep_to_time()
            wire = rest = b""
            if self._inflater.eof:
                rest = self._inflater.unused_data
            elif self._inflater.needs_input:
                break
        if wire:
            yield wire, b""

    def _next_member(self, rest: bytes) -> bytes:
        """The bytes after a trailer, ready to be inflated; empty if that is nothing yet."""
        if not self._after_trailer:
            rest = rest.lstrip(b"\0")
        start = self._after_trailer + rest
        if not start.startswith(_MAGIC[: len(start)]):
            raise _DamageError("bytes follow the gzip trailer that are neither another member nor zeros")
        if len(start) < len(_MAGIC):
            self._after_trailer = start
            return b""
        self._inflater, self._after_trailer = _inflater(), b""
        return start

    def _keep_to_time(self) -> None:
        if self._attempt.left_s < 0:
            raise self._cut(f"it was still coming when the time for all attempts was over ({self._attempt.limit})")

    def _cut(self, how: str) -> TransientVendorError:
        return self._asked.transient(self._not_whole(how), status=self._response.status_code)

    def _damaged(self, how: str) -> DamagedAnswerError:
        return self._asked.damaged(self._not_whole(how), status=self._response.status_code)

    def _not_whole(self, how: str) -> str:
        return f"the body of the {self._response.status_code} is not whole: {how}."


class Checksum:
    """The size and the CRC-32 of bytes that stream by: enough to know the same ones again."""

    def __init__(self) -> None:
        self.bytes = 0
        self._crc = 0

    def add(self, piece: bytes) -> None:
        """Takes the next piece."""
        self.bytes += len(piece)
        self._crc = isal_zlib.crc32(piece, self._crc)

    @property
    def value(self) -> tuple[int, int]:
        """Both, as they are now."""
        return self.bytes, self._crc


class _DamageError(Exception):
    """The bytes so far are no gzip."""


def _inflater() -> igzip_lib.IgzipDecompressor:
    return igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)


class Deflater:
    """Compresses a body that came plain: the same body gives the same bytes, however it was cut on the way."""

    def __init__(self) -> None:
        self._deflate = isal_zlib.compressobj(level=_LEVEL, wbits=_GZIP_WINDOW)
        self._waiting = bytearray()

    def feed(self, raw: bytes) -> bytes:
        """The bytes that the next piece adds to the file."""
        self._waiting += raw
        # isal's output depends on how its input is cut: always cut at the same places.
        out = bytearray()
        while len(self._waiting) >= _DEFLATED_AT_ONCE:
            out += self._deflate.compress(bytes(self._waiting[:_DEFLATED_AT_ONCE]))
            del self._waiting[:_DEFLATED_AT_ONCE]
        return bytes(out)

    def finish(self) -> bytes:
        """The bytes that the end adds."""
        return bytes(self._deflate.compress(bytes(self._waiting)) + self._deflate.flush())
