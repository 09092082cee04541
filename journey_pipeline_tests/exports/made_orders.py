"""Orders and exports for the tests of the ledger, and short ways through its states."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from journey_pipeline.exports.answers import answered, ready
from journey_pipeline.exports.claims import claim_to_ask, claim_to_poll
from journey_pipeline.exports.export import Export, Order
from journey_pipeline.exports.ledger import Ledger
from journey_pipeline.exports.orders import want
from journey_pipeline.exports.policy import Backoff, ExportPolicy
from journey_pipeline.model import StreamKey, Window

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 1, tzinfo=UTC)
SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
PROFILES = StreamKey("apsis", "apsis", "profile_events")
EMAILS = StreamKey("apsis", "apsis", "email_events")
POLICY = ExportPolicy()
STEADY = ExportPolicy(polling=Backoff(MINUTE, MINUTE, 0), refusal=Backoff(MINUTE, MINUTE, 0))
ADDRESS = "https://api.apsis.example/exports/ex-1?sig=s3cr3t"


def order(day: int = 0, *, days: int = 1, key: StreamKey = PROFILES, **request: Any) -> Order:
    window = Window(MIDNIGHT + day * DAY, MIDNIGHT + (day + days) * DAY)
    return Order(key, window.start.strftime("%Y-%m-%d"), window, request or {"sections": ["main"]})


def claimed(ledger: Ledger, *, at: datetime = NOW, policy: ExportPolicy = POLICY) -> Export:
    """The export whose turn it is to be asked for."""
    export = claim_to_ask(ledger, "apsis", policy, at=at)
    assert export is not None
    return export


def polled(ledger: Ledger, *, at: datetime = NOW + 5 * MINUTE, policy: ExportPolicy = POLICY) -> Export:
    """The export whose turn it is to be polled."""
    export = claim_to_poll(ledger, "apsis", policy, at=at)
    assert export is not None
    return export


def wanted(ledger: Ledger, day: int = 0, *, at: datetime = NOW, **kwargs: Any) -> Export:
    return want(ledger, order(day, **kwargs), at=at)


def requested(ledger: Ledger, *, at: datetime = NOW, policy: ExportPolicy = POLICY) -> Export:
    """The next one in the queue, taken on by the vendor."""
    asked = claimed(ledger, at=at, policy=policy)
    return answered(ledger, asked, policy, at=at, vendor_export_id=f"ex-{asked.id}", poll_address=ADDRESS, status=202)


def made_ready(ledger: Ledger, *, at: datetime = NOW) -> Export:
    """The next one in the queue, ready to be fetched."""
    requested(ledger, at=at)
    return ready(ledger, polled(ledger, at=at + 5 * MINUTE), at=at + 5 * MINUTE, status=200)
