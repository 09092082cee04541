"""The HTTP client of one connection: each call's turn, its credential, its attempts, and what a status means for them.

Every vendor's API client is built on it. Not here: how a request goes over the wire (`request.py`), when it is
tried again (`retry.py`), how a body lands (`download.py`), what a vendor's routes and bodies mean (`vendors/`).
"""

from __future__ import annotations

import contextlib
import copy
import json as jsonlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType, TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlencode, urlsplit

import requests

from journey_pipeline import settings
from journey_pipeline.errors import NotSentError, PermanentVendorError, TransientVendorError, VendorError
from journey_pipeline.transport import redaction, retry
from journey_pipeline.transport.addresses import Guard
from journey_pipeline.transport.auth import Auth, Credential
from journey_pipeline.transport.body import Body
from journey_pipeline.transport.download import NO_REST, Download, Terms
from journey_pipeline.transport.request import REDIRECTS, Destinations, Request, Wire, origin
from journey_pipeline.transport.response import (
    Answer,
    Asked,
    Downloaded,
    Inspector,
    Place,
    Refusal,
    answered,
    retry_after_s,
)
from journey_pipeline.transport.retry import Action, Attempt, Limits, RetryPolicy, Timeouts

T = TypeVar("T")
Take = Callable[[requests.Response, Attempt], T]
Query = str | Mapping[str, Any]

LARGEST_ANSWER_BYTES = 64 << 20
_REFUSAL_BYTES = 64 << 10
_READ_BYTES = 64 << 10
_CHUNK_BYTES = 256 << 10
_CONNECTIONS = 4
_LONGEST_TOLD = 300
_UNAUTHORIZED = 401
_JSON = "application/json"
_GUARDED_LOGGERS = (
    "journey_pipeline.transport.client",
    "urllib3.connectionpool",
    "urllib3.connection",
    "urllib3.response",
    "urllib3.util.retry",
)
_DEFAULT_POLICY = RetryPolicy()
_DEFAULT_TIMEOUTS = Timeouts()
_DEFAULT_LIMITS = Limits()

_log = logging.getLogger(__name__)


def _unexplained(_status: int, _body: bytes) -> Refusal:
    """The vendor's words are not known."""
    return Refusal()


def _route(request: Request) -> str:
    """The address of a request without its query."""
    return request.url.partition("?")[0]


class HttpClient:
    """Talks to one connection's vendor. Fit for threads; a context manager.

    Errors are those of `journey_pipeline.errors`, with vendor, connection, stream, window and status set.

    Args:
        connection: The configured account; clients of the same name share its limits.
        base_url: With or without a trailing slash.
        auth: How the connection proves who it is. Sent to the base URL's host only.
        timeouts: How long to wait for one request.
        limits: How often and how many at a time.
        secrets: What else must never be seen in messages and logs.
        explain: Reads a refusal, from status and body; what it gives ends up in the message, redacted.
        chunk_bytes: How much of a body is read at once.

    The most bytes of one download, the longest that one answer may take, and the hosts to which a download may be
    redirected are settings of the environment.
    """

    def __init__(
        self,
        *,
        vendor: str,
        connection: str,
        base_url: str,
        auth: Auth | None = None,
        policy: RetryPolicy = _DEFAULT_POLICY,
        timeouts: Timeouts = _DEFAULT_TIMEOUTS,
        limits: Limits = _DEFAULT_LIMITS,
        secrets: tuple[str, ...] = (),
        explain: Callable[[int, bytes], Refusal] = _unexplained,
        chunk_bytes: int = _CHUNK_BYTES,
    ) -> None:
        self._vendor = vendor
        self._connection = connection
        self._base_url = base_url.rstrip("/")
        self._chunk_bytes = chunk_bytes
        self._largest_bytes = settings.largest_answer_bytes()
        self._redactor = redaction.Redactor((*secrets, *(auth.secrets if auth else ())))
        connections = max(limits.concurrency, _CONNECTIONS)
        destinations = Destinations(connection, base_url, settings.download_hosts(connection))
        guard = Guard(settings.download_origins(connection, spelled_out=True))
        self._wire = Wire(timeouts, connections, destinations, guard)
        self._auth = auth
        self._gate = retry.gate(connection)
        self._limits = limits
        self._policy = policy
        self._longest_s = settings.longest_answer_s()
        self._explain = explain
        self._answered: set[str] = set()  # addresses that gave an answer as asked for, without their queries
        self._unreachable: VendorError | None = None
        redaction.guard(*_GUARDED_LOGGERS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._wire.close()

    def keep_secret(self, secret: str) -> None:
        """Takes care that a secret which a vendor's answer held is never seen in messages and logs."""
        self._redactor.add(secret)

    def look(self, path: str, *, policy: RetryPolicy, stream: str) -> Answer:
        """Sends a GET and looks at the answer's head alone; a body, however large, is left unread. See `send`.

        Raises:
            VendorError: As for `send`.
        """
        request = self._request("GET", path, "", None, None)
        asked = self._asked(request, stream, None)

        def head(response: requests.Response, _: Attempt) -> Answer:
            return Answer(response.status_code, response.headers, b"", asked)

        return self._run(request, asked, policy, head)

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Query = "",
        json: object = None,
        headers: Mapping[str, str] | None = None,
        stream: str | None = None,
        window: object = None,
        policy: RetryPolicy | None = None,
    ) -> Answer:
        """Sends a request and reads the answer into memory.

        Args:
            path: Below the base URL, or a whole address; the credential goes along only to the base URL's host.
            query: Ready to send, commas bare; or names and values, which are encoded.
            window: For messages; anything that reads well as text.

        Raises:
            TransientVendorError: After the last attempt, or at once where the vendor asks for a long wait.
            PermanentVendorError: On a refusal.
            ContractError: If the body is larger than 64 MiB.
        """
        request = self._request(method, path, query, _json_body(json), headers)
        asked = self._asked(request, stream, window)
        return self._run(request, asked, policy, partial(_read, asked))

    def download(
        self,
        method: str,
        path: str,
        *,
        to: Place,
        query: Query = "",
        json: object = None,
        headers: Mapping[str, str] | None = None,
        inspector: Callable[[], Inspector] | None = None,
        stream: str | None = None,
        window: object = None,
        policy: RetryPolicy | None = None,
        no_content: bytes = b"",
        resumes: bool = False,
        packed: bool | Callable[[bytes], bool] = True,
        guarded: bool = False,
    ) -> Downloaded:
        """Sends a request and puts the answer's body on disk, complete or not at all.

        It lies there as gzip: a body that came so is kept byte by byte, another is compressed. A body that is cut off
        starts over, or goes on where it broke off. Arguments that are not named here are those of `send`.

        Args:
            inspector: Makes an inspector for each attempt, which sees the inflated bytes in passing.
            no_content: What lands in place of the empty body of a 204, so that it reads as an answer without records.
            resumes: Whether the vendor gives the rest of a body that was cut off, if an ETag or the time of its last
                change names it. What came of it is kept until the call ends, and no longer.
            packed: Whether it lies as gzip; otherwise inflated, for a reader that seeks in it. A function tells by the
                body's first bytes.
            guarded: Whether the address comes from a call, and a stranger may have written it. Then the addresses of
                its host are checked, no proxy is asked, a redirect is a refusal, and the bounds are those of files
                behind links.

        Raises:
            RepeatedCutError: If the inspector says twice of the same bytes that they were cut off.
            TransientVendorError: As for `send`; and if the body is cut off or damaged each time.
            PermanentVendorError: As for `send`.
            ContractError: As the inspector says; and if a damaged body came with the same bytes twice.
        """
        request = replace(self._request(method, path, query, _json_body(json), headers), is_guarded=guarded)
        asked = self._asked(request, stream, window)
        largest, longest_s, spare = self._largest_bytes, self._longest_s, 0
        if guarded:
            largest, longest_s = settings.largest_linked_bytes(), settings.longest_linked_s()
            spare = settings.spare_disk_bytes()
        terms = Terms(to, inspector, no_content, resumes, packed, largest, self._chunk_bytes, spare, guarded)
        policy = policy or self._policy
        if resumes:  # a refusal of the rest is no refusal of the whole
            policy = replace(policy, statuses={**dict.fromkeys(NO_REST, Action.ANSWER), **policy.statuses})
        with Download(terms, asked) as download:
            return self._run(request, asked, policy, download.take, download.headers, longest_s=longest_s)

    def _run(
        self,
        request: Request,
        asked: Asked,
        policy: RetryPolicy | None,
        take: Take[T],
        more_headers: Callable[[], Mapping[str, str]] = dict,
        *,
        longest_s: float | None = None,
    ) -> T:
        """Waits for the call's turn, then tries within the policy.

        Args:
            take: Makes something of an answer that is welcome; its transient errors lead to another attempt too.
        """
        policy = policy or self._policy
        if not request.is_guarded:
            self._wire.destinations.refuse_link(request.url, asked)
        auth = self._auth if origin(request.url) == origin(self._base_url) else None
        renewals = 1 if auth and auth.renewable else 0

        def attempt(this: Attempt) -> T:
            nonlocal renewals
            while True:
                credential = self._credential(auth, asked, this) if auth else None
                sent = replace(request, headers={**request.headers, **more_headers()})
                with self._wire.open(sent, asked, credential=credential, pace=self._pace, attempt=this) as response:
                    action = policy.action(response.status_code)
                    if action is Action.ANSWER:
                        return take(response, this)
                    # Another host's refusal, after a redirect, says nothing about the credential.
                    at_home = origin(response.url) == origin(self._base_url)
                    body = _start(response, asked, this)
                    is_expired = policy.action(policy.meant(response.status_code, body)) is Action.RENEW_AUTH
                    if not (auth and credential and at_home and renewals and is_expired):
                        refusal = self._refusal(response, body, asked, policy)
                        if auth and at_home and response.status_code == _UNAUTHORIZED:
                            auth.refused = refusal
                        raise refusal
                renewals -= 1
                auth.invalidate(credential.secret)

        with self._gate.slot(self._limits):
            if auth and self._unreachable:
                raise copy.copy(self._unreachable)
            try:
                result = retry.run(policy, attempt, self._before_wait, longest_s=longest_s or self._longest_s)
            except VendorError as error:
                error.of_connection |= auth is not None and self._fails_always(error, request, policy)
                if error.of_connection and isinstance(error, NotSentError):
                    self._unreachable = copy.copy(error)
                raise
        self._answered.add(_route(request))
        return result

    def _fails_always(self, error: VendorError, request: Request, policy: RetryPolicy) -> bool:
        """Whether any request of the connection would fail so; what has worked before is no fault of its settings."""
        if isinstance(error, NotSentError):
            return not self._answered
        if not isinstance(error, PermanentVendorError):
            return False
        if error.status in policy.of_connection:
            return _route(request) not in self._answered
        return error.status in {None, _UNAUTHORIZED} or error.status in REDIRECTS

    def _credential(self, auth: Auth, asked: Asked, this: Attempt) -> Credential:
        if auth.refused:
            raise copy.copy(auth.refused)
        credential = auth.credential(partial(self._ask_token, asked, this))
        self._redactor.add(credential.secret)
        return credential

    def _ask_token(
        self, asked: Asked, this: Attempt, url: str, payload: Mapping[str, str], advice: Mapping[int, str]
    ) -> Answer:
        # Without a place in the queue and without tries of its own: the call that needs the token has both already.
        request = Request("POST", url, {"Content-Type": _JSON}, _json_body(payload))
        asked = replace(asked, stream=None, window=None, what=f"POST {url.partition('?')[0]} (token)")
        with self._wire.open(request, asked, credential=None, pace=lambda: None, attempt=this) as response:
            if self._policy.action(response.status_code) is not Action.ANSWER:
                raise self._refusal(response, _start(response, asked, this), asked, self._policy, advice)
            return _read(asked, response, this)

    def _pace(self) -> None:
        self._gate.pace(self._limits)

    def _refusal(
        self,
        response: requests.Response,
        body: bytes,
        asked: Asked,
        policy: RetryPolicy,
        advice: Mapping[int, str] = MappingProxyType({}),
    ) -> VendorError:
        status = policy.meant(response.status_code, body)
        if policy.action(status) is Action.RENEW_AUTH:  # the credential is new: whatever has expired is not that
            status = response.status_code
        said, suggested = self._explain(status, body)
        what = (advice.get(status) or suggested).replace("<CONNECTION>", self._connection.upper())
        came = answered(self._redactor, response.status_code, body, Refusal(said, what), meant=status)
        refused = asked.transient if policy.action(status) is Action.RETRY else asked.permanent
        return refused(came, status=status, retry_after_s=retry_after_s(response.headers))

    def _before_wait(self, error: TransientVendorError, wait_s: float, number: int) -> None:
        if error.retry_after_s:
            self._gate.pause(wait_s)
        # Of a host that has never answered, the error tells all once the attempts are over.
        level = logging.WARNING if self._answered or not isinstance(error, NotSentError) else logging.INFO
        _log.log(level, "%s Attempt %d failed; the next one follows in %.1f s.", error, number, wait_s)

    def _request(
        self, method: str, path: str, query: Query, body: bytes | None, headers: Mapping[str, str] | None
    ) -> Request:
        url = path if "://" in path else f"{self._base_url}/{path.lstrip('/')}"
        encoded = query if isinstance(query, str) else urlencode(query)
        if encoded:
            url += f"{'&' if urlsplit(url).query else '?'}{encoded.lstrip('?')}"
        kind = {"Content-Type": _JSON} if body is not None else {}
        return Request(method.upper(), url, {**kind, **(headers or {})}, body)

    def _asked(self, request: Request, stream: str | None, window: object) -> Asked:
        address = request.url.partition("?")[0].partition("#")[0]
        what = f"{request.method} {address if len(address) <= _LONGEST_TOLD else address[:_LONGEST_TOLD] + '…'}"
        window_text = None if window is None else str(window)
        return Asked(self._redactor, self._vendor, self._connection, stream, window_text, what)


def _json_body(json: object) -> bytes | None:
    return None if json is None else jsonlib.dumps(json).encode()


def _read(asked: Asked, response: requests.Response, attempt: Attempt) -> Answer:
    """Reads a whole body into memory; a larger one than 64 MiB is a ContractError."""
    body = bytearray()
    for _, raw in Body(response, asked, attempt, _READ_BYTES):
        body += raw
        if len(body) > LARGEST_ANSWER_BYTES:
            raise asked.contract(
                f"answered {response.status_code} with more than {LARGEST_ANSWER_BYTES} bytes, where a short "
                "answer was expected.",
                status=response.status_code,
            )
    return Answer(response.status_code, response.headers, bytes(body), asked)


def _start(response: requests.Response, asked: Asked, attempt: Attempt) -> bytes:
    """The start of a refusal's body, as far as it can be read in time: it only serves the message."""
    body = bytearray()
    with contextlib.suppress(VendorError):
        for _, raw in Body(response, asked, attempt, _REFUSAL_BYTES):
            body += raw
            if len(body) >= _REFUSAL_BYTES:
                break
    return bytes(body[:_REFUSAL_BYTES])
