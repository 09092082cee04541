"""The token route, and whether a call's token is good.

Tokens live on the sandbox's clock and in memory. Not here: the calls that need one (`simulator.py`).
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

from starlette.responses import JSONResponse, Response

from journey_pipeline.sandbox.sfmc.envelope import BROKEN_JSON, FORBIDDEN, RefusedError
from journey_pipeline.sandbox.sfmc.options import SfmcOptions

_MOST_TOKENS = 10_000


@dataclass(frozen=True, slots=True)
class Token:
    """What a token was minted for."""

    account_id: str
    scopes: frozenset[str]
    expires_at: datetime


class Tokens:
    """All tokens of the simulated tenant.

    Args:
        options: Credentials, accounts, scopes; read at each call.
    """

    def __init__(self, options: SfmcOptions) -> None:
        self._options = options
        self._good: dict[str, Token] = {}

    def revoke(self) -> None:
        """Makes every token bad, as if an administrator had changed the package."""
        self._good.clear()

    def issue(self, content_type: str, body: bytes, *, base_url: str, now: datetime) -> Response:
        """Answers `POST /v2/token`.

        Args:
            base_url: What the answer names as the account's addresses.
        """
        asked = _fields(content_type, body)
        options = self._options
        if asked.get("grant_type") != "client_credentials":
            return _refused(400, "unsupported_grant_type", "Use client_credentials.")
        if (asked.get("client_id"), asked.get("client_secret")) != (options.client_id, options.client_secret):
            return _refused(401, "invalid_client", "Client authentication failed.")
        account = str(asked.get("account_id") or options.account_id)
        if account not in {options.account_id, *options.other_accounts}:
            return _refused(400, "invalid_request", "The account is not one of this package.")
        scopes = str(asked.get("scope") or " ".join(options.scopes)).split()
        if not set(scopes) <= set(options.scopes):
            return _refused(400, "invalid_scope", "The package does not have this scope.")
        text = self._mint(Token(account, frozenset(scopes), now + timedelta(seconds=options.expires_in_s)))
        answer = {
            "access_token": text,
            "token_type": "Bearer",
            "expires_in": options.expires_in_s,
            "scope": " ".join(scopes),
            "soap_instance_url": f"{base_url}/",
            "rest_instance_url": f"{base_url}/",
        }
        return JSONResponse(answer)

    def check(self, authorization: str | None, *, now: datetime) -> Token:
        """The token of a call.

        Raises:
            RefusedError: 401 if it is missing, unknown or expired, 403 if it may not read journeys.
        """
        scheme, _, text = (authorization or "").partition(" ")
        token = self._good.get(text) if scheme.lower() == "bearer" else None
        if token is None or token.expires_at <= now:
            raise RefusedError(401, 0, "Not Authorized")
        if "journeys_read" not in token.scopes:
            code = None if self._options.bare_forbidden else FORBIDDEN
            raise RefusedError(403, code, "Insufficient privileges: the scope journeys_read is missing.")
        return token

    def _mint(self, token: Token) -> str:
        while len(self._good) >= _MOST_TOKENS:
            del self._good[next(iter(self._good))]
        text = f"sandbox.{secrets.token_urlsafe(48)}"
        self._good[text] = token
        return text


def _fields(content_type: str, body: bytes) -> dict[str, Any]:
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        return dict(parse_qsl(body.decode(errors="replace")))
    if kind != "application/json":
        raise RefusedError(415, None, "The token route takes JSON or a form.")
    try:
        asked = json.loads(body)
    except ValueError:
        raise RefusedError(400, BROKEN_JSON, "The body is not JSON.") from None
    return asked if isinstance(asked, dict) else {}


def _refused(status: int, error: str, description: str) -> Response:
    return JSONResponse({"error": error, "error_description": description, "error_uri": "https://sandbox"}, status)
