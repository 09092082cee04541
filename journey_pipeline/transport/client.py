"""The HTTP client of one connection: sends, retries, renews credentials, downloads to disk.

Every vendor's API client is built on it. Not here: what a vendor's routes and bodies mean (`vendors/`); the parts that
it puts together have a module each beside this one.
"""

from __future__ import annotations

import json as jsonlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

import requests

from journey_pipeline import __version__, settings
from journey_pipeline.errors import VendorError
from journey_pipeline.transport import limits as connection_limits
from journey_pipeline.transport import redaction, waiting
from journey_pipeline.transport.auth import Auth
from journey_pipeline.transport.calls import Calls
from journey_pipeline.transport.destinations import Destinations
from journey_pipeline.transport.download import Evidence, Tries, land, told
from journey_pipeline.transport.failures import Asked
from journey_pipeline.transport.gzip_body import Body
from journey_pipeline.transport.limits import Limits
from journey_pipeline.transport.request import Request, Timeouts, Wire
from journey_pipeline.transport.response import Answer, Downloaded, Inspector
from journey_pipeline.transport.retry import Attempt, RetryPolicy

__all__ = ["Answer", "Downloaded", "HttpClient", "Inspector"]

Query = str | Mapping[str, Any]

USER_AGENT = f"journey-pipeline/{__version__}"
_CHUNK_BYTES = 256 << 10
_CONNECTIONS = 4
_LONGEST_TOLD = 300
_ACCEPTED = 202
_NO_CONTENT = 204
_GUARDED_LOGGERS = (
    "journey_pipeline.transport.calls",
    "urllib3.connectionpool",
    "urllib3.connection",
    "urllib3.response",
    "urllib3.util.retry",
)
_DEFAULT_POLICY = RetryPolicy()
_DEFAULT_TIMEOUTS = Timeouts()
_DEFAULT_LIMITS = Limits()


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
        explain: Says what a refusal means, from status and body; it ends up in the message, redacted.
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
        explain: Callable[[int, bytes], str] | None = None,
        user_agent: str = USER_AGENT,
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
        self._wire = Wire(timeouts, user_agent, connections, destinations)
        self._calls = Calls(
            home=self._base_url,
            wire=self._wire,
            auth=auth,
            gate=connection_limits.gate(connection),
            limits=limits,
            policy=policy,
            longest_s=settings.longest_answer_s(),
            redactor=self._redactor,
            explain=explain,
        )
        redaction.guard(*_GUARDED_LOGGERS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Gives back the connections."""
        self._wire.close()

    def keep_secret(self, secret: str) -> None:
        """Takes care that a secret which a vendor's answer held is never seen in messages and logs."""
        self._redactor.add(secret)

    def look(self, path: str, *, policy: RetryPolicy, stream: str | None = None, window: object = None) -> Answer:
        """Sends a GET and looks at the answer's head alone: a body, however large, is left unread.

        Args:
            path: As for `send`, and so are the other arguments.
            policy: Says which statuses are answers.
            stream: As for `send`.
            window: As for `send`.

        Raises:
            VendorError: As for `send`.
        """
        request = self._request("GET", path, "", None, None)
        asked = self._asked(request, stream, window)

        def head(response: requests.Response, _: Attempt) -> Answer:
            return Answer(response.status_code, response.headers, b"", asked)

        return self._calls.run(request, asked, policy, head)

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
            method: Such as `POST`.
            path: Below the base URL, or a whole address; the credential goes along only to the base URL's host.
            query: Ready to send, commas bare; or names and values, which are encoded.
            json: The body, if not None.
            window: For messages; anything that reads well as text.

        Raises:
            TransientVendorError: After the last attempt, or at once where the vendor asks for a long wait.
            PermanentVendorError: On a refusal.
            ContractError: If the body is larger than 64 MiB.
        """
        request = self._request(method, path, query, _json_body(json), headers)
        asked = self._asked(request, stream, window)
        return self._calls.run(request, asked, policy, partial(self._calls.read, asked))

    def download(
        self,
        method: str,
        path: str,
        *,
        to: Path,
        query: Query = "",
        json: object = None,
        headers: Mapping[str, str] | None = None,
        inspector: Callable[[], Inspector] | None = None,
        on_bytes: Callable[[int], None] | None = None,
        evidence: Path | None = None,
        stream: str | None = None,
        window: object = None,
        policy: RetryPolicy | None = None,
        no_content: bytes = b"",
    ) -> Downloaded:
        """Sends a request and puts the answer's body on disk as gzip, complete or not at all.

        A body that came as gzip is kept byte by byte; another is compressed. A body that is cut off starts over.

        Args:
            method: As for `send`, and so are the arguments that are not named here.
            path: As for `send`.
            to: Where the file appears when all is well.
            query: As for `send`.
            json: As for `send`.
            headers: As for `send`.
            inspector: Makes an inspector for each attempt, which sees the inflated bytes in passing.
            on_bytes: Told the size of each piece that came over the wire, of all attempts.
            evidence: Where the start and the end of an inflated answer are kept that is not as documented.
            stream: As for `send`.
            window: As for `send`.
            policy: As for `send`.
            no_content: What lands in place of the empty body of a 204, so that it reads as an answer without records.

        Raises:
            RepeatedCutError: If the inspector says twice of the same bytes that they were cut off.
            TransientVendorError: As for `send`; and if the body is cut off or damaged each time.
            PermanentVendorError: As for `send`.
            ContractError: As the inspector says; and if a damaged body came with the same bytes twice.
        """
        started_at_s = waiting.monotonic_s()
        request = self._request(method, path, query, _json_body(json), headers)
        asked = self._asked(request, stream, window)
        tries = Tries()

        def take(response: requests.Response, attempt: Attempt) -> Downloaded:
            if response.status_code == _ACCEPTED:
                raise asked.transient("answered 202: it was taken on, and nothing came yet.", status=_ACCEPTED)
            looker, seen = inspector() if inspector else None, Evidence()
            instead = no_content if response.status_code == _NO_CONTENT else b""
            body = Body(response, asked, attempt, self._chunk_bytes, instead=instead)
            try:
                landed = land(body, to, looker, on_bytes=on_bytes, evidence=seen, largest_bytes=self._largest_bytes)
            except VendorError as error:
                judged = tries.judged(error, body, seen)
                raise told(judged, asked, status=response.status_code, evidence=seen, keep_at=evidence) from None
            return Downloaded(
                path=to,
                sha256=landed.sha256,
                bytes=landed.bytes,
                raw_bytes=landed.raw_bytes,
                received_as=landed.received_as,
                headers=response.headers,
                seconds=waiting.monotonic_s() - started_at_s,
                attempts=attempt.number,
                inspector=looker,
            )

        return self._calls.run(request, asked, policy, take)

    def _request(
        self, method: str, path: str, query: Query, body: bytes | None, headers: Mapping[str, str] | None
    ) -> Request:
        url = path if "://" in path else f"{self._base_url}/{path.lstrip('/')}"
        encoded = query if isinstance(query, str) else urlencode(query)
        if encoded:
            url += f"{'&' if urlsplit(url).query else '?'}{encoded.lstrip('?')}"
        kind = {"Content-Type": "application/json"} if body is not None else {}
        return Request(method.upper(), url, {**kind, **(headers or {})}, body)

    def _asked(self, request: Request, stream: str | None, window: object) -> Asked:
        address = request.url.partition("?")[0].partition("#")[0]
        what = f"{request.method} {address if len(address) <= _LONGEST_TOLD else address[:_LONGEST_TOLD] + '…'}"
        window_text = None if window is None else str(window)
        return Asked(self._redactor, self._vendor, self._connection, stream, window_text, what)


def _json_body(json: object) -> bytes | None:
    return None if json is None else jsonlib.dumps(json).encode()
