"""How a connection proves who it is: an OAuth 2.0 client, or a key that a person made once.

Not here: when a credential is renewed because a vendor refused it (`client.py`), where the secrets come from
(`settings.py`).
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from journey_pipeline.errors import ContractError, PermanentVendorError, VendorError
from journey_pipeline.transport import retry
from journey_pipeline.transport.response import Answer

# Fields of a token request that say what is asked for, not who asks.
_OPEN_FIELDS = frozenset({"grant_type", "scope", "account_id", "audience"})
_NOT_LET_IN = (400, 401, 403)  # 400: an account or a scope that it does not know
_NO_ROUTE = (404, 405)
# Where a vendor leaves `expires_in` out (RFC 6749 only recommends it); a 401 renews sooner.
_LIFETIME_S = 600.0
_RENEW_BEFORE_S = 120.0  # of a short-lived token half its life
_LONGEST_LIFETIME_S = 90 * 86_400.0  # a longer one, or none that is a number, is a mistake


@dataclass(frozen=True, slots=True)
class Credential:
    """The credential of one request.

    Attributes:
        secret: The part that must never be seen.
    """

    header: str
    value: str = field(repr=False)
    secret: str = field(repr=False)


class TokenRoute(Protocol):
    """Sends a token request without credentials, once: the call that needs the token is tried again as a whole."""

    def __call__(self, url: str, payload: Mapping[str, str], advice: Mapping[int, str]) -> Answer:
        """The answer; a refusal is a PermanentVendorError with the advice for its status."""
        ...


class Auth(Protocol):
    """The interface of an authentication method.

    Attributes:
        renewable: Whether a refused credential can be exchanged for another.
        refused: Why no credential is sent any more: the vendor's answer to the last one; None as a rule.
    """

    refused: VendorError | None

    @property
    def secrets(self) -> tuple[str, ...]:
        """Secrets that are known from the start, to be redacted."""
        ...

    @property
    def renewable(self) -> bool:
        """Whether a refused credential can be exchanged for another."""
        ...

    def credential(self, ask: TokenRoute) -> Credential:
        """The credential of the next request."""
        ...

    def invalidate(self, token: str) -> None:
        """Takes note that the vendor refused this token."""
        ...


class BearerKey:
    """A key that does not change, in a header."""

    renewable = False

    def __init__(self, key: str, *, header: str = "Authorization", scheme: str = "Bearer") -> None:
        self.secrets = (key,)
        self.refused: VendorError | None = None
        self._credential = Credential(header, f"{scheme} {key}".strip(), key)

    def credential(self, ask: TokenRoute) -> Credential:  # noqa: ARG002 - nothing to ask for
        """The key."""
        return self._credential

    def invalidate(self, token: str) -> None:
        """Does nothing: there is no other key."""


class ClientCredentials:
    """OAuth 2.0 client credentials (RFC 6749, 4.4): one token for all threads, renewed before it ends.

    Args:
        payload: Fields of the token request; `grant_type` is added.
        credentials: The variables that hold them, for the message when they are refused.
        place: The variable that holds the address, for the message when there is no such route.
    """

    renewable = True

    def __init__(
        self,
        token_url: str,
        payload: Mapping[str, str],
        *,
        credentials: str = "",
        place: str = "",
    ) -> None:
        self._token_url = token_url
        self._payload = {"grant_type": "client_credentials", **payload}
        self._advice = dict.fromkeys(_NOT_LET_IN, f"Check {credentials}.") if credentials else {}
        self._advice |= dict.fromkeys(_NO_ROUTE, f"Check {place}.") if place else {}
        self._lock = threading.Lock()
        self._token: str | None = None
        self._renew_at_s = 0.0
        self._failures = 0
        self._failure: VendorError | None = None
        self.refused: VendorError | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        """The fields of the token request that say who asks."""
        return tuple(str(value) for name, value in self._payload.items() if name not in _OPEN_FIELDS)

    def credential(self, ask: TokenRoute) -> Credential:
        """The token, asked for if there is none that lasts.

        Raises:
            PermanentVendorError: If the credentials are refused, now or before: they are sent once.
            TransientVendorError: If no token could be had now; threads that waited for the same request get the same.
            ContractError: If the answer holds no token.
        """
        failures_before = self._failures
        with self._lock:
            failed_meanwhile = self._failures != failures_before
            if self._failure and (failed_meanwhile or isinstance(self._failure, PermanentVendorError)):
                raise copy.copy(self._failure)
            if self._token is None or retry.monotonic_s() >= self._renew_at_s:
                self._request(ask)
            token = str(self._token)
        return Credential("Authorization", f"Bearer {token}", token)

    def invalidate(self, token: str) -> None:
        """Forgets the token, unless another one has taken its place: however many threads were refused, one renews."""
        with self._lock:
            if self._token == token:
                self._token = None

    def _request(self, ask: TokenRoute) -> None:
        self._token, self._failure = None, None
        asked_at_s = retry.monotonic_s()
        try:
            answer = ask(self._token_url, self._payload, self._advice)
            self._token, lifetime_s = _token(answer)
        except VendorError as error:
            error.of_connection = isinstance(error, PermanentVendorError | ContractError)
            self._failure = copy.copy(error)
            self._failures += 1
            raise
        self._renew_at_s = asked_at_s + max(lifetime_s - _RENEW_BEFORE_S, lifetime_s / 2)


def _token(answer: Answer) -> tuple[str, float]:
    fields = answer.json()
    token = fields.get("access_token") if isinstance(fields, dict) else None
    if not isinstance(token, str) or not token:
        raise answer.broken("the answer holds no access_token. Check the connection's token URL.")
    try:
        lifetime_s = float(fields.get("expires_in", _LIFETIME_S))
    except (TypeError, ValueError, OverflowError):
        return token, _LIFETIME_S
    return token, lifetime_s if 0 <= lifetime_s <= _LONGEST_LIFETIME_S else _LIFETIME_S
