"""What the check on missing partitions says of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from journey_pipeline.components.standing_checks import NAMED, completeness_result
from journey_pipeline.loading.plan import Gaps
from journey_pipeline.model import Granularity, Window
from journey_pipeline.vendors.sfmc.journey_history.stream import journey_history_stream

DAY = datetime(2026, 11, 1, tzinfo=UTC)
KEPT_H = journey_history_stream("sfmc", DAY).retention // timedelta(hours=1)


def missing(hours: int, *, now: datetime) -> Gaps:
    windows = Window(DAY, DAY + timedelta(hours=hours)).partitions(Granularity.HOUR)
    return Gaps(journey_history_stream("sfmc", DAY), tuple(windows), (), now)


@pytest.mark.parametrize(
    ("hours", "says"),
    [(NAMED + 3, "2026-11-01T09 and 3 more. The vendor"), (2, ": 2026-11-01T00, 2026-11-01T01. The vendor")],
)
def test_the_first_missing_partitions_are_named_and_the_others_counted(hours: int, says: str) -> None:
    gaps = missing(hours, now=DAY + timedelta(hours=hours))
    assert says in str(completeness_result(gaps, begun=DAY, lost=0, requests_per_s=1.0).description)


@pytest.mark.parametrize(
    ("begun_h", "now_h", "passed", "severity"),
    [
        (48, 49, True, "WARN"),  # all of it ended before the first load, and the gap filler is at work
        (47, 49, False, "WARN"),  # the last hour came after
        (48, KEPT_H - 3, True, "WARN"),
        (48, KEPT_H - 1, False, "ERROR"),  # the vendor deletes it before the gap filler comes twice
        (0, KEPT_H - 20, False, "ERROR"),  # a person needs a day
    ],
)
def test_history_from_before_the_first_load_is_missing_only_once_it_may_be_lost(
    begun_h: int, now_h: int, passed: bool, severity: str
) -> None:
    gaps = missing(48, now=DAY + timedelta(hours=now_h))
    result = completeness_result(gaps, begun=DAY + timedelta(hours=begun_h), lost=0, requests_per_s=1.0)
    assert (result.passed, result.severity) == (passed, dg.AssetCheckSeverity[severity])
    assert result.metadata["missing"].value == 48
