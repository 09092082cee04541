"""A look at a connection for a person who sets it up: what the account has, and whether the receiver is there.

It never sends an order. Not here: the routes (`client.py`), whether today's request is used (the ledger).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from journey_pipeline.errors import ConfigError, VendorError
from journey_pipeline.model import CLOCK_DIFFERENCE
from journey_pipeline.settings import download_origins
from journey_pipeline.transport.response import http_date
from journey_pipeline.vendors.insider.analytics import AnalyticsClient
from journey_pipeline.vendors.insider.client import InsiderClient, listed
from journey_pipeline.vendors.insider.link import ORIGINS
from journey_pipeline.vendors.insider.names import discover


def check(
    client: InsiderClient, analytics: AnalyticsClient | None, *, fingerprint: str | None, now: Callable[[], datetime]
) -> dict[str, str]:
    """What each harmless call said.

    Args:
        fingerprint: That of the ledger, with which the receiver must answer; None: it is not asked.

    Raises:
        JourneyError: If the variables, the key or the account are not as they should be.
    """
    answer = client.list_columns("events")
    wanted = discover(answer.read_by(listed))
    account = client.account
    said = {
        "metadata": f"{', '.join(one.event for one in wanted)} of {account.partner}",
        "clock": _clock(http_date(answer.headers.get("Date", "")), now()),
        "segment": f"{account.segment}; the vendor says only of an order whether it is a dynamic one",
        "files": f"{account.format}, with the attributes {', '.join(account.attributes)}",
        "hosts": ", ".join(sorted(download_origins(client.connection) or ORIGINS)),
        "journeys": _journeys(analytics),
    }
    if fingerprint is not None:
        said["receiver"] = _receiver(client, fingerprint)
    return said


def _journeys(analytics: AnalyticsClient | None) -> str:
    if analytics is None:
        return "have no names, since ANALYTICS_KEY is not set"
    return f"{len(next(analytics.journey_pages(), []))} on the first page of the list"


def _receiver(client: InsiderClient, fingerprint: str) -> str:
    where = f"{client.account.webhook}/health"
    try:
        found = client.fingerprint()
    except VendorError as error:
        said = f"it answered {error.status}" if error.status else "no answer"
        raise ConfigError(
            f"the receiver can't be reached through {where}: {said}. Start `journey-pipeline receiver`, and check the "
            "proxy in front of it."
        ) from error
    if found != fingerprint:
        raise ConfigError(
            f"what answers at {where} is no receiver of this ledger. Check the proxy and the ledger's URL."
        )
    return f"answers through {where}"


def _clock(theirs: datetime | None, ours: datetime) -> str:
    if theirs is None:
        return "the vendor says nothing of its time"
    apart = abs(theirs - ours)
    if apart > CLOCK_DIFFERENCE:
        raise ConfigError(
            f"this machine's clock and the vendor's are {apart} apart. Correct the clock: requests are counted by day."
        )
    return f"{apart.total_seconds():.0f} s apart from the vendor's"
