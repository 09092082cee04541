"""The routes of Salesforce Marketing Cloud that the history of journeys needs, and what their answers mean.

The vendor does not publish the exact shape of estimate, freshness and error envelope: they are read tolerantly where
the contract is silent, strictly where a guess could lose data. Not here: HTTP itself (`transport/`), what to ask for
and in which order (`journey_history/stream.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

from journey_pipeline.errors import ContractError
from journey_pipeline.formats.small_answers import read_json
from journey_pipeline.model import Window
from journey_pipeline.settings import connection_variables
from journey_pipeline.transport.auth import ClientCredentials
from journey_pipeline.transport.response import Answer, Downloaded, Place, Refusal
from journey_pipeline.transport.retry import Limits, RetryPolicy, Timeouts
from journey_pipeline.vendors.csv_answer import CsvInspector
from journey_pipeline.vendors.source import Estimate

HISTORY = "/interaction/v1/interactions/journeyhistory"
JOURNEYS = "/interaction/v1/interactions"
REQUIRED_VARIABLES = ("auth_url", "rest_url", "client_id", "client_secret")
# A 429 without Retry-After blocks for a while (documented: errorcode 50200); the vendor says no figure.
POLICY = RetryPolicy(least_wait_s={429: 60.0})
UNUSUAL_LAG = timedelta(hours=6)  # assumed
OPTIONAL_VARIABLES = ("account_id", "requests_per_second")
LIMITS = Limits()


class SfmcClient:
    """One account (business unit) of Salesforce Marketing Cloud. Fit for threads.

    Tokens are asked for when first needed and renewed 120 s early: they live 1,079 s (observed).

    Args:
        limits: Requests per second and at a time. The variable `<CONNECTION>_REQUESTS_PER_SECOND` wins, since a pace
            goes with a host.

    Raises:
        ConfigError: If a variable of the connection is missing.
    """

    def __init__(
        self,
        connection: str,
        *,
        timeouts: Timeouts | None = None,
        limits: Limits = LIMITS,
    ) -> None:
        from journey_pipeline.transport.client import HttpClient  # noqa: PLC0415 - few commands send requests

        self.limits = limits
        given = connection_variables(connection, REQUIRED_VARIABLES, OPTIONAL_VARIABLES)
        payload = {"grant_type": "client_credentials"}
        payload |= {name: given[name] for name in ("client_id", "client_secret", "account_id") if name in given}
        prefix = connection.upper()
        auth = ClientCredentials(
            f"{given['auth_url'].rstrip('/')}/v2/token",
            payload,
            credentials=f"{prefix}_CLIENT_ID, {prefix}_CLIENT_SECRET and {prefix}_ACCOUNT_ID",
            place=f"{prefix}_AUTH_URL",
        )
        # Where freshness is not to be had, a fixed lag is taken.
        self._optional = replace(POLICY, of_connection=frozenset())
        self._http = HttpClient(
            vendor="sfmc",
            connection=connection,
            base_url=given["rest_url"],
            auth=auth,
            policy=POLICY,
            timeouts=timeouts or Timeouts(),
            limits=limits.paced(given.get("requests_per_second")),
            secrets=(given["client_secret"],),
            explain=explain,
        )

    def estimate(self, body: dict[str, Any], columns: tuple[str, ...], *, window: Window) -> Estimate:
        """Asks how many rows and bytes a download would have; columns matter for the size."""
        query = f"format=csv&columns={','.join(columns)}"
        answer = self._http.send(
            "POST", f"{HISTORY}/estimate", query=query, json=body, stream="journey_history", window=str(window)
        )
        return answer.read_by(read_estimate)

    def download(
        self,
        body: dict[str, Any],
        columns: tuple[str, ...],
        *,
        window: Window,
        to: Place,
        inspector: Callable[[], CsvInspector],
    ) -> Downloaded:
        """Downloads the history of a window as CSV.

        There is no resume: a cut answer starts again from nothing (documented). `x-direct-pipe` is mandatory on this
        route alone (documented).
        """
        return self._http.download(
            "POST",
            f"{HISTORY}/download",
            to=to,
            query=f"format=csv&columns={','.join(columns)}",
            json=body,
            headers={"x-direct-pipe": "true"},
            inspector=inspector,
            stream="journey_history",
            window=str(window),
        )

    def freshness(self) -> timedelta:
        """Asks by how much the history trails reality; an estimate for the whole account (documented)."""
        answer = self._http.send("GET", f"{HISTORY}/freshness", stream="journey_history", policy=self._optional)
        return answer.read_by(read_freshness)

    def journey_pages(self) -> Iterator[bytes]:
        """Every version of every journey with its activities, as the pages came.

        The page size asked for may be ignored (observed), so pages are read until as many items as `count` have come
        or a page is empty. A journey saved meanwhile moves to the front and pushes another one to the page after: if
        fewer versions than `count` were seen, the list is read once more.

        Yields:
            The body of each page, JSON.

        Raises:
            ContractError: If a page is not a list of journeys.
        """
        seen: set[str] = set()
        for _ in range(2):
            total = 0
            for page in self._pages():
                items, total = _items(page)
                seen.update(str(item.get("definitionId") or item.get("id")) for item in items)
                yield page.body
            if len(seen) >= total:
                return

    def first_journeys(self) -> tuple[int, int]:
        """How many items the first page of the journey list has, and how many the list says that it has in all."""
        items, total = _items(next(self._pages()))
        return len(items), total

    def close(self) -> None:
        """Closes its connections."""
        self._http.close()

    def _pages(self) -> Iterator[Answer]:
        read = 0
        number = 0
        while True:
            number += 1
            query = (
                f"$page={number}&$pageSize=50&mostRecentVersionOnly=false&extras=activities"
                "&$orderBy=ModifiedDate%20DESC"
            )
            answer = self._http.send("GET", JOURNEYS, query=query, stream="journeys")
            items, total = _items(answer)
            yield answer
            read += len(items)
            if not items or read >= total:
                return


def _items(answer: Answer) -> tuple[list[dict[str, Any]], int]:
    page = answer.json()
    items, total = (page.get("items"), page.get("count")) if isinstance(page, dict) else (None, None)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items) or not isinstance(total, int):
        raise ContractError(
            "the journey list has no items and count. The vendor's answer has changed; please report it.",
            vendor="sfmc",
            stream="journeys",
        )
    return items, total


_MOST = 10**15  # rows or bytes; beyond it a number is a mistake
_LONGEST_LAG = timedelta(days=365)  # history lives 30 days (documented)


def read_estimate(answer: Any) -> Estimate:
    """Row count and sizes of an estimate.

    `rowCount` is observed in public code. The names of the two sizes are unpublished: whatever integers are named
    after a size or bytes are taken, the smaller one as compressed.

    Raises:
        ContractError: If there is no row count.
    """
    numbers = _numbers(answer)
    rows = next((value for name, value in numbers.items() if name.lower() == "rowcount"), None)
    if rows is None or not 0 <= rows <= _MOST:
        raise ContractError(
            f"the estimate has no row count: its fields are {_names(answer)}. The vendor's answer has changed; "
            "please report it with these names."
        )
    named = [value for name, value in numbers.items() if "size" in name.lower() or "bytes" in name.lower()]
    sizes = sorted(int(value) for value in named if 0 <= value <= _MOST)
    return Estimate(
        rows=int(rows),
        raw_bytes=sizes[-1] if sizes else None,
        compressed_bytes=sizes[0] if sizes else None,
        answer=answer,
    )


def read_freshness(answer: Any) -> timedelta:
    """How far the history trails reality.

    The route is documented, its JSON is not: a bare number or numeric text, or an object with a number named after
    freshness, seconds or lag, or with one number only.

    Raises:
        ContractError: If no number can be told.
    """
    if isinstance(answer, dict):
        numbers = _numbers(answer)
        named = [
            n for n in numbers if n.lower().startswith("freshness") or "seconds" in n.lower() or "lag" in n.lower()
        ]
        chosen = named[:1] or (list(numbers) if len(numbers) == 1 else [])
        seconds = numbers[chosen[0]] if chosen else None
    else:
        seconds = _number(answer)
    if seconds is None or not 0 <= seconds <= _LONGEST_LAG.total_seconds():
        raise ContractError(
            f"the freshness answer has no number of seconds: its fields are {_names(answer)}. The vendor's answer has "
            "changed; please report it with these names."
        )
    return timedelta(seconds=seconds)


def explain(status: int, body: bytes) -> Refusal:
    """The meaning of a refusal and what to do, by status and error envelope (contract of the vendor, section 7)."""
    message, code = _envelope(body)
    advice = {
        400: "Check filters and columns in defs.yaml: the request is wrong.",
        401: "Check <CONNECTION>_CLIENT_ID and <CONNECTION>_CLIENT_SECRET.",
        403: "Grant the installed package the scopes journeys_read and list_and_subscribers_read.",
        404: "Check <CONNECTION>_REST_URL, and that journey history is enabled for the account.",
    }.get(status, "")
    said = f"{message.rstrip('.')}{f' (errorcode {code})' if code else ''}" if message else ""
    return Refusal(said, advice)


def _envelope(body: bytes) -> tuple[str, str]:
    try:
        answer = read_json(body)
    except ValueError:
        return "", ""
    if not isinstance(answer, dict):
        return "", ""
    message = answer.get("message") or answer.get("error_description") or answer.get("error") or ""
    return str(message), str(answer.get("errorcode") or "")


def _numbers(answer: Any) -> dict[str, float]:
    if not isinstance(answer, dict):
        return {}
    read = {name: _number(value) for name, value in answer.items()}
    return {name: value for name, value in read.items() if value is not None}


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _names(answer: Any) -> str:
    return ", ".join(sorted(answer)) if isinstance(answer, dict) and answer else f"none (a {type(answer).__name__})"
