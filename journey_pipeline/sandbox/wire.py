"""Answers on a connection: streamed, hung up on, or reset.

The connection comes in with the call, as an extension that the server's protocol adds. Not here: what a body holds
(`bodies.py`), what goes wrong (`faults.py`), refusals in a vendor's words (`sfmc/envelope.py`).
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from collections.abc import Mapping
from typing import Any, BinaryIO

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from journey_pipeline.sandbox.bodies import Body

EXTENSION = "sandbox.transport"
_RANGE = re.compile(r"bytes=([0-9]{1,15})-")


class HangUpResponse(Response):
    """No answer at all: the connection closes, or is reset, before the first byte."""

    def __init__(self, *, reset: bool) -> None:
        super().__init__()
        self.status_code = 0
        self._reset = reset

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - nothing is sent
        """Hangs up."""
        await hang_up(scope, receive, reset=self._reset)


class StreamedResponse(Response):
    """An answer whose body is streamed.

    Args:
        body: What is sent, and how it ends.
        promise_length: Send a `Content-Length` where the length is known, instead of chunks.
        file: To close at the end, if there is one.
    """

    def __init__(
        self,
        body: Body,
        *,
        headers: Mapping[str, str],
        promise_length: bool,
        file: BinaryIO | None = None,
        status: int = 200,
    ) -> None:
        super().__init__(status_code=status)
        promised = promise_length and body.length is not None
        given = {**headers, "content-length": str(body.length)} if promised else headers
        self.raw_headers = [(name.lower().encode(), value.encode()) for name, value in given.items()]
        self._body, self._file = body, file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends it."""
        body = self._body
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            while (chunk := await run_in_threadpool(next, body.chunks, None)) is not None:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
                if scope["extensions"][EXTENSION].is_closing():
                    return
                if body.pause_s and await gone_within(receive, body.pause_s):
                    return
            if body.ending == "complete":
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            else:
                await hang_up(scope, receive, reset=body.ending == "reset")
        finally:
            if self._file is not None:
                self._file.close()


def rest_wanted(headers: Mapping[str, str], tag: str) -> int | None:
    """From which byte on a caller wants a file, if it is this very file that it wants; None for all of it."""
    found = _RANGE.fullmatch(headers.get("range", ""))
    return int(found[1]) if found and headers.get("if-range", tag) == tag else None


async def hang_up(scope: Scope, receive: Receive, *, reset: bool) -> None:
    """Ends the connection: what was sent is delivered and no more comes, or it is reset."""
    transport: Any = scope["extensions"][EXTENSION]
    if reset:
        linger_off = struct.pack("ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_off)
        transport.abort()
    else:
        transport.close()
    await _disconnected(receive)


async def gone_within(receive: Receive, wait_s: float) -> bool:
    """Waits some real seconds, and says whether the caller, or the server, gave up meanwhile."""
    try:
        await asyncio.wait_for(_disconnected(receive), wait_s)
    except TimeoutError:
        return False
    return True


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
