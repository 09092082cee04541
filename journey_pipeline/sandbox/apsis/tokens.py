"""The token route, and whether a call's token is good.

Tokens live on the sandbox's clock and in memory. Not here: the calls that need one (`simulator.py`).
"""

from __future__ import annotations

import json
import secrets
from datetime import datetime, timedelta

from starlette.responses import JSONResponse, Response

from journey_pipeline.sandbox.apsis.envelope import RefusedError
from journey_pipeline.sandbox.apsis.options import ApsisOptions

_MOST_TOKENS = 10_000


class Tokens:
    """All tokens of the simulated account.

    Args:
        options: Credentials and lives; read at each call.

    Attributes:
        issued: How many were given out.
    """

    def __init__(self, options: ApsisOptions) -> None:
        self._options = options
        self._expires_at: dict[str, datetime] = {}
        self.issued = 0

    def expire(self, now: datetime) -> None:
        """Ends the life of every token."""
        self._expires_at = dict.fromkeys(self._expires_at, now)

    def issue(self, content_type: str, body: bytes, *, now: datetime) -> Response:
        """Answers `POST /oauth/token`.

        Raises:
            RefusedError: 415 if the body is said to be no JSON, 400 if it isn't, 401 for other credentials.
        """
        if content_type != "application/json":
            raise RefusedError(415, "The token route takes application/json.")
        try:
            asked = json.loads(body)
        except ValueError:
            raise RefusedError(400, "The body is not JSON.") from None
        if not isinstance(asked, dict) or asked.get("grant_type") != "client_credentials":
            raise RefusedError(400, "grant_type must be client_credentials.")
        options = self._options
        if (asked.get("client_id"), asked.get("client_secret")) != (options.client_id, options.client_secret):
            raise RefusedError(401, "Client authentication failed.")
        text = self._mint(now + timedelta(seconds=options.expires_in_s))
        return JSONResponse({"access_token": text, "token_type": "Bearer", "expires_in": options.expires_in_s})

    def check(self, authorization: str | None, *, now: datetime) -> None:
        """Looks at the token of a call.

        Raises:
            RefusedError: 401 if it is missing or unknown; 401 or 403, as the options say, if it has expired; 403 if
                the options forbid everything.
        """
        scheme, _, text = (authorization or "").partition(" ")
        expires_at = self._expires_at.get(text) if scheme.lower() == "bearer" else None
        if expires_at is None:
            raise RefusedError(401, "Unauthorized")
        if expires_at <= now:
            raise RefusedError(self._options.expired_answer, "The access token expired")
        if self._options.forbidden:
            raise RefusedError(403, "The key has no access to this resource.")

    def _mint(self, expires_at: datetime) -> str:
        while len(self._expires_at) >= _MOST_TOKENS:
            del self._expires_at[next(iter(self._expires_at))]
        text = f"sandbox.{secrets.token_urlsafe(48)}"
        self._expires_at[text] = expires_at
        self.issued += 1
        return text
