"""What the check on missing partitions says of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from journey_pipeline.components.standing_checks import NAMED, completeness_result
from journey_pipeline.loading.plan import Gaps
from journey_pipeline.model import Granularity, Window
from journey_pipeline.vendors.sfmc.journey_history.stream import journey_history_stream

DAY = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("hours", "says"),
    [(NAMED + 3, "2026-11-01T09 and 3 more. The vendor"), (2, ": 2026-11-01T00, 2026-11-01T01. The vendor")],
)
def test_the_first_missing_partitions_are_named_and_the_others_counted(hours: int, says: str) -> None:
    missing = Window(DAY, DAY + timedelta(hours=hours)).partitions(Granularity.HOUR)
    gaps = Gaps(journey_history_stream("sfmc", DAY), tuple(missing), (), DAY + timedelta(hours=hours))
    assert says in str(completeness_result(gaps, lost=0, requests_per_s=1.0).description)
