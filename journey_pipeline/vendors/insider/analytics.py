"""The analytics host of Insider: the account's journeys with their campaigns, and the vendor's own figures of them.

It has a key of its own, and an account works without one. Not here: exports (`client.py`), the tables that are made of
the list (`lists/`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import partial
from typing import Any, Self

from journey_pipeline.errors import ContractError
from journey_pipeline.model import Figure, Figures, Window
from journey_pipeline.settings import connection_variables
from journey_pipeline.transport.auth import BearerKey
from journey_pipeline.transport.retry import Limits
from journey_pipeline.vendors.insider.client import POLICY, explain

ANALYTICS_VARIABLES = ("analytics_key", "analytics_url")
URL = "https://architect-analytics.api.useinsider.com"
JOURNEYS, JOURNEY = "/v1/journeys", "/v1/journey"
PAGE = 300  # the most that a page holds
_ADVICE = "Check <CONNECTION>_ANALYTICS_KEY, a key of the kind Analytics."


class AnalyticsClient:
    """The analytics host, for one connection. Fit for threads.

    Args:
        connection: Name of the connection; prefixes its variables.
    """

    def __init__(self, connection: str, key: str, url: str, *, limits: Limits) -> None:
        from journey_pipeline.transport.client import HttpClient  # noqa: PLC0415 - few commands send requests

        self._http = HttpClient(
            vendor="insider",
            connection=connection,
            base_url=url,
            auth=BearerKey(key),
            policy=POLICY,
            limits=limits,
            secrets=(key,),
            explain=partial(explain, advice={401: _ADVICE, 403: _ADVICE}),
        )

    @classmethod
    def of(cls, connection: str, limits: Limits) -> Self | None:
        """What the environment gives; None if it gives no key."""
        given = connection_variables(connection, (), (*ANALYTICS_VARIABLES, "requests_per_second"))
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

    def figures(self, window: Window) -> Figures:
        """What the panel counts of each journey that is not a test, and of each of its campaigns, in whole days.

        Its days are the account's, and both ends of a span are in it (assumed): compare long spans.
        """
        last = window.end - timedelta(days=1)
        span = {"statDate": f"{window.start:%d/%m/%Y} - {last:%d/%m/%Y}"}
        found: dict[Figure, int] = {}
        for journey in (one for page in self.journey_pages() for one in page if one.get("status") != "test"):
            number = _id(journey.get("journeyId"))
            answer = self._http.send("GET", f"{JOURNEY}/{number}", query=span, stream="journeys")
            found |= answer.read_by(partial(_figures, number))
        return found

    def close(self) -> None:
        """Closes its connections."""
        self._http.close()


def _figures(journey: str, answer: Any) -> dict[Figure, int]:
    counted = answer.get("userMetrics") if isinstance(answer, dict) else None
    sent = answer.get("channelsMetrics", []) if isinstance(answer, dict) else None
    if not isinstance(counted, dict) or not isinstance(sent, list):
        raise ContractError("the answer has no `userMetrics` and `channelsMetrics`. Ask the vendor.")
    left = sum(_count(counted.get(way)) for way in ("exited", "completed", "dropped"))
    found = {Figure(journey, "", "entered"): _count(counted.get("entered")), Figure(journey, "", "left"): left}
    campaigns = {_id(one.get("campaignId")): _count(one.get("sent")) for one in sent if isinstance(one, dict)}
    return found | {Figure(journey, campaign, "sent"): count for campaign, count in campaigns.items()}


def _count(value: Any) -> int:
    return int(value) if isinstance(value, int | float) else 0


def _id(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _journeys(answer: Any) -> list[Mapping[str, Any]]:
    page = answer.get("journeys") if isinstance(answer, dict) else None
    if not isinstance(page, list) or not all(isinstance(one, dict) for one in page):
        raise ContractError(
            "the answer has no list `journeys`. Check the connection's ANALYTICS_URL, and ask the vendor."
        )
    return page
