"""A look at a connection for a person who sets it up: each route that needs its own right, and what bounds mean.

Not here: the routes (`client.py`), what a load makes of an estimate (`journey_history/stream.py`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta

from journey_pipeline.errors import VendorError
from journey_pipeline.model import Granularity, Window, floor
from journey_pipeline.vendors.sfmc.client import UNUSUAL_LAG, SfmcClient
from journey_pipeline.vendors.sfmc.journey_history.stream import JourneyHistory

_LONG_SETTLED = timedelta(days=2)


def check(client: SfmcClient, history: JourneyHistory, now: datetime) -> dict[str, str]:
    """What each harmless call said: freshness, the journey list, and the estimates of an hour and its parts.

    Which bound belongs to a window is unpublished, and an estimate's names are: the answer is shown as it came.

    Raises:
        VendorError: If credentials, rights or filters are refused.
    """
    said = {"freshness": _freshness(client)}
    read, total = client.first_journeys()
    said["journeys"] = f"{total} journey versions, {read} on the first page"
    start = floor(now - _LONG_SETTLED, Granularity.HOUR)
    hour = Window(start, start + Granularity.HOUR.duration)
    whole = history.estimate(hour)
    halves = [history.estimate(half).rows for half in hour.halves()]
    earlier = history.estimate(Window(hour.start - timedelta(milliseconds=1), hour.end)).rows
    return {
        **said,
        "estimate": f"of {hour.start:%Y-%m-%dT%H}: {json.dumps(whole.answer)}",
        "bounds": _told_bounds(whole.rows, halves, earlier),
    }


def _freshness(client: SfmcClient) -> str:
    try:
        lag = client.freshness()
    except VendorError as error:
        if error.status in {None, 400, 401}:
            raise
        return f"not available ({error.status}): hours are loaded after a fixed lag"
    late = ", which is unusually far: hours load that much later" if lag > UNUSUAL_LAG else ""
    return f"history trails by {lag.total_seconds():.0f} s{late}"


def _told_bounds(whole: int, halves: Sequence[int], earlier: int) -> str:
    figures = (
        f"an hour has {whole:,} rows, its halves {halves[0]:,} and {halves[1]:,}, from 1 ms earlier on {earlier:,}"
    )
    if sum(halves) < whole:
        return f"{figures}. Rows on a bound are in neither half, so that they may be lost: please report it"
    if sum(halves) > whole:
        return f"{figures}. Rows on a bound are in both halves; each becomes one event"
    return figures
