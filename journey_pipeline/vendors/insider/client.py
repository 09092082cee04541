"""The routes of Insider that an export needs, one method each, and the variables of a connection.

Not here: HTTP itself (`transport/`), which events are asked for (`names.py`), what comes of an answer
(`user_events/stream.py`), what a link must be.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self
from urllib.parse import urlsplit

from journey_pipeline.errors import ConfigError, ContractError
from journey_pipeline.formats.small_answers import read_json
from journey_pipeline.settings import connection_variables, variable_name
from journey_pipeline.transport.auth import BearerKey
from journey_pipeline.transport.response import Answer, Downloaded, Place, Refusal
from journey_pipeline.transport.retry import Action, Limits, RetryPolicy, Timeouts
from journey_pipeline.vendors.insider.user_events.file import ExportInspector, is_packed

EXPORT = "/api/raw/v1/export"
COLUMNS = "/api/user/v3/metadata/columns"
REQUIRED_VARIABLES = ("url", "partner_name", "request_token", "segment_id", "webhook_url")
OPTIONAL_VARIABLES = ("format", "attributes", "requests_per_second", "requests_per_day")
TOO_MANY = 429
FORMATS = ("parquet", "csv", "json")
LIMITS = Limits()

# Before an order, and where a tick of the sensor has a minute: assumed, both.
ASK_S = 12.0
ORDER_S = 30.0
# 403 may be the token's, or speak of a limit (contract, 1.3; of hosts other than the analytics one assumed).
POLICY = RetryPolicy(meanings={403: dict.fromkeys(("limit", "too many", "quota"), TOO_MANY)})
_ORDER_POLICY = replace(POLICY, attempts=1, deadline_s=ORDER_S)
_STATUS_POLICY = replace(POLICY, attempts=1, deadline_s=ASK_S, statuses={404: Action.ANSWER})
_ASK_POLICY = replace(POLICY, attempts=2, deadline_s=ASK_S)
# A link that does not work at once may work later, and is tried again for as long as it lives: not in a row.
_LINK_POLICY = RetryPolicy()

_ADVICE = {
    400: "Compare the segment, which must be a dynamic one, the events, parameters and attributes with the account's: "
    "the order is wrong.",
    401: "Check <CONNECTION>_REQUEST_TOKEN, the key of the Unified Customer Database, and <CONNECTION>_PARTNER_NAME.",
    403: "Check <CONNECTION>_REQUEST_TOKEN, the key of the Unified Customer Database, <CONNECTION>_PARTNER_NAME, and "
    "from which addresses the key may be used.",
    404: "Check <CONNECTION>_URL.",
    405: "Report it: the vendor takes no such request any more.",
}
_PARTNER = re.compile(r"[a-z0-9][a-z0-9._-]*")
_ATTRIBUTE = re.compile(r"[A-Za-z0-9_.]+")


@dataclass(frozen=True, slots=True)
class Account:
    """What the variables of a connection say.

    Attributes:
        segment: The dynamic segment whose users are exported.
        webhook: The public address of our receiver.
        format: Of the files that are asked for.
        attributes: Of people, as the API calls them.
    """

    url: str
    partner: str
    segment: int
    webhook: str
    format: str
    attributes: tuple[str, ...]

    @classmethod
    def of(cls, connection: str) -> Self:
        """What the environment says.

        Raises:
            ConfigError: If a variable is missing or has another form; names it and the form.
        """
        given = connection_variables(connection, REQUIRED_VARIABLES, OPTIONAL_VARIABLES)

        def wrong(field: str, form: str) -> ConfigError:
            return ConfigError(
                f"{variable_name(connection, field)} must be {form}. Nothing was asked.",
                then=f"Then run `journey-pipeline doctor {connection}`.",
            )

        if not _PARTNER.fullmatch(given["partner_name"]):
            raise wrong("partner_name", "the account's name in lower case, without blanks, such as acmeshop")
        if not given["segment_id"].isascii() or not given["segment_id"].isdigit():
            raise wrong("segment_id", "the number of a dynamic segment, such as 48213")
        form = given.get("format", FORMATS[0])
        if form not in FORMATS:
            raise wrong("format", f"one of {', '.join(FORMATS)}, in lower case")
        attributes = [name.strip() for name in given.get("attributes", "email").split(",")]
        if not all(_ATTRIBUTE.fullmatch(name) for name in attributes):
            raise wrong("attributes", "names of attributes with commas between, such as email,c_loyalty_tier")
        if not _is_hook(given["webhook_url"]):
            raise wrong("webhook_url", "an https address that the vendor can reach, such as https://example.com/hooks")
        return cls(
            given["url"].rstrip("/"),
            given["partner_name"],
            int(given["segment_id"]),
            given["webhook_url"].rstrip("/"),
            form,
            tuple(attributes),
        )


def requests_per_day(connection: str) -> int | None:
    """How many orders the account's host takes in a UTC day, if a variable says so.

    Raises:
        ConfigError: If it is no number above 0.
    """
    given = connection_variables(connection, (), ("requests_per_day",)).get("requests_per_day")
    if given and not (given.isascii() and given.isdigit() and int(given)):
        raise ConfigError(f"{variable_name(connection, 'requests_per_day')} must be a whole number above 0, such as 1.")
    return int(given) if given else None


def _is_hook(url: str) -> bool:
    """Whether an address can be that of a receiver: https, or http of this machine or its network alone."""
    from journey_pipeline.transport.request import is_local  # noqa: PLC0415 - as below

    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    if not host or parts.query or parts.fragment or parts.username or parts.password:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_local(host))


def explain(status: int, body: bytes, advice: Mapping[int, str] = _ADVICE) -> Refusal:
    """A refusal, in both of the vendor's envelopes or in none."""
    return Refusal(_said(body), advice.get(status, ""))


def _said(body: bytes) -> str:
    try:
        answer = read_json(body)
    except ValueError:
        return ""
    found = [answer.get(name) for name in ("error", "message")] if isinstance(answer, dict) else []
    return next((text for text in found if isinstance(text, str)), "")


class InsiderClient:
    """One account of Insider. Fit for threads.

    Args:
        connection: Name of the connection; prefixes its variables.
        limits: Requests per second and at a time.

    Raises:
        ConfigError: If a variable of the connection is missing or wrong.
    """

    def __init__(
        self,
        connection: str,
        *,
        timeouts: Timeouts | None = None,
        limits: Limits = LIMITS,
    ) -> None:
        from journey_pipeline.transport.client import HttpClient  # noqa: PLC0415 - few commands send requests

        self.account = Account.of(connection)
        self.connection = connection
        given = connection_variables(connection, REQUIRED_VARIABLES, OPTIONAL_VARIABLES)
        self._named = {"X-PARTNER-NAME": self.account.partner}
        common: dict[str, Any] = {
            "vendor": "insider",
            "connection": connection,
            "base_url": self.account.url,
            "policy": _ASK_POLICY,
            "timeouts": timeouts or Timeouts(),
            "limits": limits.paced(given.get("requests_per_second")),
            "secrets": (given["request_token"],),
        }
        self._http = HttpClient(
            auth=BearerKey(given["request_token"], header="X-REQUEST-TOKEN", scheme=""),
            explain=explain,
            **common,
        )
        # What is no route of the vendor's gets no token, on whatever host it is.
        self._open = HttpClient(**common)

    def columns(self, table: str) -> Any:
        """What the account has: its `events` with their parameters, or the attributes of its `contacts`."""
        return self.list_columns(table).read_by(listed)

    def list_columns(self, table: str) -> Answer:
        """The answer that `columns` reads."""
        return self._http.send("POST", COLUMNS, json={"table": table}, headers=self._named, stream=table)

    def order(self, body: Mapping[str, Any], *, window: object, path: str = EXPORT) -> Answer:
        """Sends an order, once."""
        return self._http.send(
            "POST",
            path,
            json=body,
            headers=self._named,
            stream="user_events",
            window=window,
            policy=_ORDER_POLICY,
        )

    def export_status(self, path: str, *, window: object) -> Answer:
        """How far an export of version 2 is; 404 is an answer."""
        return self._http.send(
            "GET", path, headers=self._named, stream="user_events", window=window, policy=_STATUS_POLICY
        )

    def fingerprint(self) -> str | None:
        """The fingerprint of the ledger that our own receiver has, asked through its public address."""
        said = self._open.send("GET", f"{self.account.webhook}/health", stream="receiver").json()
        found = said.get("fingerprint") if isinstance(said, dict) else None
        return found if isinstance(found, str) else None

    def fetch(
        self,
        link: str,
        to: Place,
        *,
        window: object,
    ) -> Downloaded:
        """Downloads the file behind a link; one that was cut off goes on where it ended. A redirect is a refusal."""
        self._open.keep_secret(urlsplit(link).query)
        return self._open.download(
            "GET",
            link,
            to=to,
            inspector=ExportInspector,
            stream="user_events",
            window=window,
            policy=_LINK_POLICY,
            resumes=True,
            packed=is_packed,
            guarded=True,
        )

    def close(self) -> None:
        """Closes its connections."""
        self._http.close()
        self._open.close()


def listed(answer: Any) -> list[Mapping[str, Any]]:
    """What the account lists.

    Raises:
        ContractError: If it is no list.
    """
    if not isinstance(answer, list) or not all(isinstance(one, dict) and "key" in one for one in answer):
        raise ContractError(
            "the answer is no list of objects with a `key`. Check <CONNECTION>_URL, and ask the vendor."
        )
    return answer
