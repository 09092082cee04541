"""Makes one call succeed or fail: its turn, its credential, its attempts, and what a status means for them.

Not here: what is asked (`client.py`), how it goes over the wire (`request.py`), when to try again (`retry.py`).
"""

from __future__ import annotations

import contextlib
import json as jsonlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar
from urllib.parse import urlencode

import requests

from journey_pipeline.errors import TransientVendorError, VendorError
from journey_pipeline.transport import retry
from journey_pipeline.transport.auth import Auth, Credential
from journey_pipeline.transport.failures import Asked, answered
from journey_pipeline.transport.gzip_body import Body
from journey_pipeline.transport.limits import Gate, Limits
from journey_pipeline.transport.redaction import Redactor
from journey_pipeline.transport.request import Request, Wire, origin
from journey_pipeline.transport.response import Answer
from journey_pipeline.transport.retry import Action, Attempt, RetryPolicy

T = TypeVar("T")
Take = Callable[[requests.Response, Attempt], T]

LARGEST_ANSWER_BYTES = 64 << 20
_REFUSAL_BYTES = 64 << 10
_READ_BYTES = 64 << 10
_UNAUTHORIZED = 401

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Calls:
    """The engine of one client.

    Attributes:
        home: The address whose host the credential belongs to.
        wire: Sends.
        auth: Gives credentials, or None.
        gate: The connection's counters.
        limits: This client's limits.
        policy: When to try again, unless a call says otherwise.
        longest_s: How long one answer may take where the policy doesn't say.
        redactor: Learns the tokens.
        explain: Says what a refusal means.
    """

    home: str
    wire: Wire
    auth: Auth | None
    gate: Gate
    limits: Limits
    policy: RetryPolicy
    longest_s: float
    redactor: Redactor
    explain: Callable[[int, bytes], str] | None

    def run(self, request: Request, asked: Asked, policy: RetryPolicy | None, take: Take[T]) -> T:
        """Makes the call: waits for its turn, then tries within the policy.

        Args:
            policy: Instead of the client's, if not None.
            take: Makes something of an answer that is welcome; its transient errors lead to another attempt too.
        """
        policy = policy or self.policy
        self.wire.destinations.refuse_link(request.url, asked)
        auth = self.auth if origin(request.url) == origin(self.home) else None
        renewals = 1 if auth and auth.renewable else 0

        def attempt(this: Attempt) -> T:
            nonlocal renewals
            while True:
                credential = self._credential(auth, asked, this) if auth else None
                with self._open(request, asked, credential, this, self._pace) as response:
                    action = policy.action(response.status_code)
                    if action is Action.ANSWER:
                        return take(response, this)
                    # Another host's refusal, after a redirect, says nothing about the credential.
                    at_home = origin(response.url) == origin(self.home)
                    body = _start(response, asked, this)
                    is_expired = action is Action.RENEW_AUTH or policy.says_expired(response.status_code, body)
                    if not (auth and credential and at_home and renewals and is_expired):
                        refusal = self._refusal(response, body, asked, action)
                        if auth and at_home and response.status_code == _UNAUTHORIZED:
                            auth.refused = refusal
                        raise refusal
                renewals -= 1
                auth.invalidate(credential.secret)

        with self.gate.slot(self.limits):
            return retry.run(policy, attempt, self._before_wait, longest_s=self.longest_s)

    def read(self, asked: Asked, response: requests.Response, attempt: Attempt) -> Answer:
        """Reads a whole body into memory.

        Raises:
            ContractError: If it is larger than 64 MiB.
        """
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

    def _credential(self, auth: Auth, asked: Asked, this: Attempt) -> Credential:
        def ask(url: str, *, json: object = None, form: Mapping[str, str] | None = None) -> Answer:
            return self._ask_token(asked, this, url, json, form)

        if auth.refused:
            raise asked.permanent(
                f"not sent, for the credentials were refused before: {auth.refused}", status=_UNAUTHORIZED
            )
        credential = auth.credential(ask)
        self.redactor.add(credential.secret)
        return credential

    def _ask_token(self, asked: Asked, this: Attempt, url: str, json: object, form: Mapping[str, str] | None) -> Answer:
        # Without a place in the queue and without tries of its own: the call that needs the token has both already.
        if form is None:
            request = Request("POST", url, {"Content-Type": "application/json"}, jsonlib.dumps(json).encode())
        else:
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            request = Request("POST", url, kind, urlencode(form).encode())
        asked = replace(asked, stream=None, window=None, what=f"POST {url.partition('?')[0]} (token)")
        with self._open(request, asked, None, this, lambda: None) as response:
            action = self.policy.action(response.status_code)
            if action is not Action.ANSWER:
                raise self._refusal(response, _start(response, asked, this), asked, action)
            return self.read(asked, response, this)

    def _open(
        self,
        request: Request,
        asked: Asked,
        credential: Credential | None,
        attempt: Attempt,
        pace: Callable[[], None],
    ) -> requests.Response:
        return self.wire.open(request, asked, credential=credential, pace=pace, attempt=attempt)

    def _pace(self) -> None:
        self.gate.pace(self.limits)

    def _refusal(self, response: requests.Response, body: bytes, asked: Asked, action: Action) -> VendorError:
        status = response.status_code
        came = answered(self.redactor, status, body, self.explain(status, body) if self.explain else "")
        refused = asked.transient if action is Action.RETRY else asked.permanent
        return refused(came, status=status, retry_after_s=retry.retry_after_s(response.headers))

    def _before_wait(self, error: TransientVendorError, wait_s: float, number: int) -> None:
        if error.retry_after_s:
            self.gate.pause(wait_s)
        _log.warning("%s Attempt %d failed; the next one follows in %.1f s.", error, number, wait_s)


def _start(response: requests.Response, asked: Asked, attempt: Attempt) -> bytes:
    """The start of a refusal's body, as far as it can be read in time: it only serves the message."""
    body = bytearray()
    with contextlib.suppress(VendorError):
        for _, raw in Body(response, asked, attempt, _REFUSAL_BYTES):
            body += raw
            if len(body) >= _REFUSAL_BYTES:
                break
    return bytes(body[:_REFUSAL_BYTES])
