"""The analytics host of Insider: the account's journeys with their campaigns, and the vendor's own figures of them.

It has a key of its own, and an account works without one. Not here: exports (`client.py`), the tables that are made of
the list (`lists/`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Self

from journey_pipeline.errors import ContractError
from journey_pipeline.settings import connection_variables
from journey_pipeline.transport.auth import BearerKey
from journey_pipeline.transport.client import HttpClient
from journey_pipeline.transport.retry import Limits
from journey_pipeline.vendors.insider.client import explain

URL = "https://architect-analytics.api.useinsider.com"
JOURNEYS = "/v1/journeys"
PAGE = 300  # the most that a page holds
_ADVICE = "check <CONNECTION>_ANALYTICS_KEY, a key of the kind Analytics"


class AnalyticsClient:
    """The analytics host, for one connection. Fit for threads.

    Args:
        connection: Name of the connection; prefixes its variables.
        key: Its key.
        url: Of the host.
    """

    def __init__(self, connection: str, key: str, url: str, *, limits: Limits) -> None:
        prefix = connection.upper()

        def said(status: int, body: bytes) -> str:
            text = explain(status, body, {401: _ADVICE, 403: _ADVICE})
            return text.replace("<CONNECTION>", prefix)

        self._http = HttpClient(
            vendor="insider",
            connection=connection,
            base_url=url,
            auth=BearerKey(key),
            limits=limits,
            secrets=(key,),
            explain=said,
        )

    @classmethod
    def of(cls, connection: str, limits: Limits) -> Self | None:
        """What the environment gives; None if it gives no key."""
        given = connection_variables(connection, (), ("analytics_key", "analytics_url", "requests_per_second"))
        key = given.get("analytics_key")
        paced = limits.paced(given.get("requests_per_second"))
        return cls(connection, key, given.get("analytics_url", URL), limits=paced) if key else None

    def journey_pages(self, most: int = PAGE) -> Iterator[list[Mapping[str, Any]]]:
        """Every journey with its campaigns, page by page; a page that repeats the one before it is the end.

        Raises:
            ContractError: If a page is no list of journeys.
        """
        number, last = 1, None
        while True:
            answer = self._http.send("GET", JOURNEYS, query={"limit": most, "page": number}, stream="journeys")
            page = answer.read_by(_journeys)
            if page == last:
                return
            yield page
            if len(page) < most:
                return
            number, last = number + 1, page

    def close(self) -> None:
        """Closes its connections."""
        self._http.close()


def _journeys(answer: Any) -> list[Mapping[str, Any]]:
    page = answer.get("journeys") if isinstance(answer, dict) else None
    if not isinstance(page, list) or not all(isinstance(one, dict) for one in page):
        raise ContractError(
            "the answer has no list `journeys`. Check the connection's ANALYTICS_URL, and ask the vendor."
        )
    return page
