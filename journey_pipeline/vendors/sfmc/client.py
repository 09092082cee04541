"""The routes of Salesforce Marketing Cloud that the history of journeys needs, one method each.

Not here: HTTP itself (`transport/`), what to ask for (`filters.py`), what an answer means (`answers.py`), the order of
steps for a window (`journey_history.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from journey_pipeline.errors import ContractError, VendorError
from journey_pipeline.model import Window
from journey_pipeline.settings import connection_variables
from journey_pipeline.transport.auth import ClientCredentials
from journey_pipeline.transport.client import Answer, Downloaded, HttpClient
from journey_pipeline.transport.limits import Limits
from journey_pipeline.transport.request import Timeouts
from journey_pipeline.transport.retry import RetryPolicy
from journey_pipeline.vendors.csv_answer import CsvInspector
from journey_pipeline.vendors.sfmc.answers import explain, read_estimate, read_freshness
from journey_pipeline.vendors.source import Estimate

HISTORY = "/interaction/v1/interactions/journeyhistory"
JOURNEYS = "/interaction/v1/interactions"
REQUIRED_VARIABLES = ("auth_url", "rest_url", "client_id", "client_secret")
# A 429 without Retry-After blocks for a while (documented: errorcode 50200); the vendor says no figure.
POLICY = RetryPolicy(least_wait_s={429: 60.0})
UNUSUAL_LAG = timedelta(hours=6)  # assumed
OPTIONAL_VARIABLES = ("account_id", "requests_per_second")


class SfmcClient:
    """One account (business unit) of Salesforce Marketing Cloud.

    Thread-safe. Tokens are asked for when first needed and renewed 120 s early: they live 1,079 s (observed).

    Args:
        connection: Name of the connection; prefixes its variables.
        limits: Requests per second and at a time. The vendor publishes no figure: 1 and 2 (assumed). The variable
            `<CONNECTION>_REQUESTS_PER_SECOND` wins, since a pace goes with a host.

    Raises:
        ConfigError: If a variable of the connection is missing.
    """

    def __init__(
        self,
        connection: str,
        *,
        policy: RetryPolicy | None = None,
        timeouts: Timeouts | None = None,
        limits: Limits | None = None,
    ) -> None:
        given = connection_variables(connection, REQUIRED_VARIABLES, OPTIONAL_VARIABLES)
        payload = {"grant_type": "client_credentials"}
        payload |= {name: given[name] for name in ("client_id", "client_secret", "account_id") if name in given}
        prefix = connection.upper()
        auth = ClientCredentials(
            f"{given['auth_url'].rstrip('/')}/v2/token",
            payload,
            hint=f"check {prefix}_CLIENT_ID, {prefix}_CLIENT_SECRET and {prefix}_ACCOUNT_ID",
        )
        self._http = HttpClient(
            vendor="sfmc",
            connection=connection,
            base_url=given["rest_url"],
            auth=auth,
            policy=policy or POLICY,
            timeouts=timeouts or Timeouts(),
            limits=(limits or Limits(requests_per_s=1.0, concurrency=2)).paced(given.get("requests_per_second")),
            secrets=(given["client_secret"],),
            explain=lambda status, body: explain(status, body).replace("<CONNECTION>", prefix),
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
        to: Path,
        inspector: Callable[[], CsvInspector],
        on_bytes: Callable[[int], None] | None = None,
        evidence: Path | None = None,
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
            on_bytes=on_bytes,
            evidence=evidence,
            stream="journey_history",
            window=str(window),
        )

    def freshness(self) -> timedelta:
        """Asks by how much the history trails reality; an estimate for the whole account (documented)."""
        return self._http.send("GET", f"{HISTORY}/freshness", stream="journey_history").read_by(read_freshness)

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

    def check(self) -> dict[str, str]:
        """One harmless call to each route that needs its own right; what it said, by name.

        Raises:
            VendorError: If the credentials are refused.
        """
        said = {"freshness": ""}
        try:
            lag = self.freshness()
            late = ", which is unusually far: hours load that much later" if lag > UNUSUAL_LAG else ""
            said["freshness"] = f"history trails by {lag.total_seconds():.0f} s{late}"
        except VendorError as error:
            if error.status in {400, 401}:
                raise
            said["freshness"] = f"not available ({error.status}): hours are loaded after a fixed lag"
        items, total = _items(next(self._pages()))
        said["journeys"] = f"{total} journey versions, {len(items)} on the first page"
        return said

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
