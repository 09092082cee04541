"""A small HTTP server on raw sockets that can do what a good one never does: cut, reset, stall, lie, trickle.

Not here: any vendor's behaviour (`journey_pipeline/sandbox`).
"""

from __future__ import annotations

import contextlib
import gzip
import json as jsonlib
import socket
import struct
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import BinaryIO
from urllib.parse import urlsplit

from journey_pipeline.transport.client import HttpClient

HELLO = b"\x16"  # TLS starts with it; a line would be waited for that may never end
_LINGER_NOT = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Seen:
    """A request as it came; header names in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


MakeClient = Callable[..., HttpClient]
Step = Callable[[socket.socket, "FlakyServer"], None]
Piece = bytes | Step
Reply = Iterable[Piece] | Callable[[Seen], Iterable[Piece]]


class EndOfConnection(Exception):  # noqa: N818 - a step's way to say that it was the last one
    """The connection is over, on purpose."""


def close(_connection: socket.socket, _server: FlakyServer) -> None:
    """Ends the connection cleanly."""
    raise EndOfConnection


def reset(connection: socket.socket, _server: FlakyServer) -> None:
    """Ends the connection with a reset, once the client has what was sent before."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    raise EndOfConnection


def stall(_connection: socket.socket, server: FlakyServer) -> None:
    """Sends nothing more until the test is over."""
    server.stopping.wait(60)
    raise EndOfConnection


def drip(data: bytes) -> Step:
    """Sends bytes one by one: none of them is late, and all of them take 50 ms each."""

    def step(connection: socket.socket, server: FlakyServer) -> None:
        for place in range(len(data)):
            connection.sendall(data[place : place + 1])
            if server.stopping.wait(0.05):
                raise EndOfConnection

    return step


def when(event: threading.Semaphore) -> Step:
    """Goes on once the test allows it."""

    def step(_connection: socket.socket, server: FlakyServer) -> None:
        while not event.acquire(timeout=0.05):
            if server.stopping.is_set():
                raise EndOfConnection

    return step


def head(status: int = 200, /, **headers: str) -> bytes:
    """A status line and headers; `_` in a name stands for `-`."""
    lines = [f"HTTP/1.1 {status} X", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def answer(status: int = 200, body: bytes = b"", **headers: str) -> list[Piece]:
    """A proper answer with a Content-Length."""
    return [head(status, Content_Length=str(len(body)), **headers) + body]


def json(value: object, status: int = 200, **headers: str) -> list[Piece]:
    """A proper JSON answer."""
    return answer(status, jsonlib.dumps(value).encode(), Content_Type="application/json", **headers)


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def chunked(*pieces: Piece, ended: bool = True, status: int = 200, **headers: str) -> list[Piece]:
    """A chunked answer; without its end the connection closes instead."""
    parts: list[Piece] = [head(status, Transfer_Encoding="chunked", **headers)]
    parts += [chunk(piece) if isinstance(piece, bytes) else piece for piece in pieces]
    return [*parts, b"0\r\n\r\n" if ended else close]


def gz(raw: bytes) -> bytes:
    """The bytes as one gzip member."""
    return gzip.compress(raw, mtime=0)


class FlakyServer:
    """Serves on a free loopback port, a thread per connection, what it was told to.

    Attributes:
        url: Its address without a trailing slash.
        seen: The requests so far, in the order of their arrival.
        stopping: Set when it closes.
        on_hello: What it does with whoever wants to encrypt.
    """

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.stopping = threading.Event()
        self.on_hello: Step = close
        self._replies: dict[str, list[Reply]] = {}
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept)]
        self._connections: set[socket.socket] = set()
        self._threads[0].start()

    def on(self, path: str, *replies: Reply) -> None:
        """Answers a path with these, one after the other, and with the last one from then on."""
        with self._lock:
            self._replies[path] = list(replies)

    def count(self, path: str) -> int:
        """How many requests a path has seen."""
        return sum(request.path == path for request in list(self.seen))

    def close(self) -> None:
        """Ends all connections and threads."""
        self.stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        with self._lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join(10)
        self._listener.close()

    def _accept(self) -> None:
        while not self.stopping.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._connections.add(connection)
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, EndOfConnection), connection:
            reader = connection.makefile("rb")
            with reader:
                if reader.peek(1)[:1] == HELLO:
                    self.on_hello(connection, self)
                while not self.stopping.is_set() and (request := _read(reader)):
                    for piece in self._reply(request):
                        if isinstance(piece, bytes):
                            connection.sendall(piece)
                        else:
                            piece(connection, self)
        with self._lock:
            self._connections.discard(connection)

    def _reply(self, request: Seen) -> Iterable[Piece]:
        with self._lock:
            self.seen.append(request)
            replies = self._replies.get(request.path)
            if not replies:
                return answer(404, b"nothing here")
            reply = replies.pop(0) if len(replies) > 1 else replies[0]
        return reply(request) if callable(reply) else reply


def _read(reader: BinaryIO) -> Seen | None:
    line = reader.readline().decode("latin-1").split()
    if len(line) != 3:
        return None
    headers: dict[str, str] = {}
    while (text := reader.readline().decode("latin-1").strip()) != "":
        name, _, value = text.partition(":")
        headers[name.lower()] = value.strip()
    parts = urlsplit(line[1])
    return Seen(line[0], parts.path, parts.query, headers, reader.read(int(headers.get("content-length", "0"))))
