"""What the receiver answers: calls on hooks, and the question whether it is there.

A call is kept before it is answered, in the ledger or, where that can't be written in time, in a file. The path of a
call is a secret: it is in no log and in no answer. Not here: the server and its connections (`server.py`), what a call
does to its export (`exports/calls.py`).
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_address
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from journey_pipeline import __version__
from journey_pipeline.exports.calls import Hook, JudgeOf, find_hook, keep_nonce_secret
from journey_pipeline.exports.export import Verdict
from journey_pipeline.exports.inbox import FullError, Inbox, Waiting, taken
from journey_pipeline.exports.ledger import Ledger

T = TypeVar("T")

LARGEST_BYTES = 64 << 10
_DISCARDED_BYTES = 2 << 20
ARRIVES_S = 5.0
LEDGER_S = 1.0
UNKNOWN_A_MINUTE = 20
_MOST_PEERS = 10_000
_NONCE = re.compile(r"[A-Za-z0-9_-]{43}")
_ALERTS = {Verdict.QUARANTINED, Verdict.ANOTHER, Verdict.EXPIRED, Verdict.NOTICE, Verdict.UNREADABLE}

log = logging.getLogger(__name__)


class _UnlookedError(Exception):
    """The ledger could not be asked in time."""


@dataclass(slots=True)
class Unknown:
    """Counts requests that name no hook, by peer and minute.

    Attributes:
        total: Since the start.
    """

    total: int = 0
    _minute: int = 0
    _peers: Counter[str] = field(default_factory=Counter)

    def is_too_many(self, peer: str, at: datetime) -> bool:
        """Counts one more; whether the peer has had its share."""
        self.total += 1
        minute = int(at.timestamp()) // 60
        if minute != self._minute:
            self._minute, self._peers = minute, Counter()
        if peer not in self._peers and len(self._peers) >= _MOST_PEERS:
            return True
        self._peers[peer] += 1
        return self._peers[peer] > UNKNOWN_A_MINUTE


@dataclass(slots=True)
class Receiver:
    """The receiver as an ASGI application.

    Attributes:
        ledger: Where calls are kept. It waits for other writers no longer than a call may wait.
        inbox: Where they wait if the ledger can't be written.
        judge_of: Finds the judge of a connection's calls.
        unknown: Requests that name no hook.
    """

    ledger: Ledger
    inbox: Inbox
    judge_of: JudgeOf
    now: Callable[[], datetime]
    unknown: Unknown = field(default_factory=Unknown)
    # Of each its own threads: who waits for a lock keeps none from being looked up, or kept in a file.
    _looking: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(4, "looking"))
    _writing: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(4, "writing"))
    _keeping: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(2, "keeping"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] == "http":
            response = await self._answer(Request(scope, receive))
            names = {name for name, _ in scope["headers"]}
            if names & {b"content-length", b"transfer-encoding"}:  # what is left of its body is of no interest
                response.headers["Connection"] = "close"
            await response(scope, receive, send)

    def close(self) -> None:
        """Ends its threads, once what they do is done."""
        for threads in (self._looking, self._writing, self._keeping):
            threads.shutdown()

    def drain(self) -> None:
        """Takes the calls that wait in files."""
        for verdict in self.inbox.drain(self.ledger, self.judge_of, at=self.now()):
            log.info("a call that had waited for the ledger was taken: %s", verdict)

    async def _answer(self, request: Request) -> Response:
        name = request.scope["path"].rpartition("/")[2]
        if name == "health":
            return await self._health() if request.method in {"GET", "HEAD"} else Response(status_code=405)
        try:
            hook = await self._hook(name)
        except _UnlookedError:
            return await self._call(request, name, None) if request.method == "POST" else Response(status_code=404)
        if hook is None:
            is_too_many = self.unknown.is_too_many(_peer(request), self.now())
            return Response(status_code=429 if is_too_many else 404)
        keep_nonce_secret(name)
        if request.method != "POST":
            return Response(status_code=405, headers={"Allow": "POST"})
        return await self._call(request, name, hook)

    async def _health(self) -> Response:
        try:
            fingerprint = await self._asked(self._looking, self.ledger.fingerprint)
        except _UnlookedError:
            return JSONResponse({"version": __version__}, status_code=503)
        return JSONResponse({"version": __version__, "fingerprint": fingerprint})

    async def _hook(self, nonce: str) -> Hook | None:
        if not _NONCE.fullmatch(nonce):
            return None

        def find() -> Hook | None:
            with self.ledger.reading() as tx:
                return find_hook(tx, nonce, at=self.now())

        return await self._asked(self._looking, find)

    async def _call(self, request: Request, nonce: str, hook: Hook | None) -> Response:
        """Takes a call; without a hook it waits until its nonce can be looked up."""
        try:
            async with asyncio.timeout(ARRIVES_S):
                body = await _body(request)
        except (TimeoutError, ClientDisconnect):
            return Response(status_code=408)
        if body is None:
            return Response(status_code=413)
        call = Waiting(nonce, self.now(), _peer(request), body)
        try:
            if hook is None:
                raise _UnlookedError  # noqa: TRY301 - it waits like those that can't be kept
            verdict = await self._asked(self._writing, lambda: taken(self.ledger, call, self.judge_of, at=call.at))
        except _UnlookedError:
            return await self._wait(call, hook)
        _tell(hook, verdict)
        return Response(status_code=400) if verdict is Verdict.UNREADABLE else JSONResponse({})

    async def _wait(self, call: Waiting, hook: Hook | None) -> Response:
        keep_nonce_secret(call.nonce)
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._keeping, self.inbox.keep, call, hook.connection if hook else None)
        except (OSError, FullError):
            log.exception("a call could not be kept, neither in the ledger nor as a file")
            return Response(status_code=503)
        log.warning("the ledger could not be written within %g s: a call waits in the inbox", LEDGER_S)
        return JSONResponse({})

    async def _asked(self, threads: ThreadPoolExecutor, ask: Callable[[], T]) -> T:
        """Asks the ledger in a thread.

        Raises:
            _UnlookedError: If it does not answer in time. It may still do what it was told; doing so twice does no
                harm.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(LEDGER_S):
                return await loop.run_in_executor(threads, ask)
        except Exception as error:  # whatever is wrong with it, the call is kept
            log.warning("the ledger did not answer: %s", type(error).__name__)
            raise _UnlookedError from error


async def _body(request: Request) -> bytes | None:
    """The body; None if it is too large. Most of one that is too large is read, so that the answer arrives."""
    told = request.headers.get("content-length", "0")
    size = int(told) if re.fullmatch(r"[0-9]{1,9}", told) else _DISCARDED_BYTES
    body, count = bytearray(), 0
    if size < _DISCARDED_BYTES:
        async for piece in request.stream():
            count += len(piece)
            if count >= _DISCARDED_BYTES:
                break
            if max(count, size) <= LARGEST_BYTES:
                body += piece
    return bytes(body) if max(count, size) <= LARGEST_BYTES else None


def _peer(request: Request) -> str:
    """The caller's address; a proxy that is trusted may tell another one."""
    host = request.client.host if request.client else ""
    try:
        return str(ip_address(host.partition("%")[0]))
    except ValueError:
        return "unknown"


def _tell(hook: Hook, verdict: Verdict | None) -> None:
    level = logging.WARNING if verdict in _ALERTS else logging.INFO
    log.log(
        level, "export %d of %s, attempt %d: a call came: %s", hook.export_id, hook.connection, hook.attempt, verdict
    )
