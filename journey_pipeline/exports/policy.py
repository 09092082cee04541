"""When an export is asked for, polled or given up: times and ceilings as data, and pure functions of them.

Not here: any vendor's values (each vendor gives a policy of its own), the clock (callers pass it), the edges that
follow from a decision (`queue.py`).
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from journey_pipeline.exports.export import Export
from journey_pipeline.model import Granularity, floor

PENDING_LIMIT = 5
# Longer than an export lives is not waited, whatever a header holds: it would mean never.
LONGEST_TOLD = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits that double from the shortest to the longest, each shortened by a random share.

    Attributes:
        shortest: The first wait, before its random share.
        longest: What no wait exceeds.
        jitter: The largest share that is taken off, 0 to 1, so that exports don't move in step.
    """

    shortest: timedelta = timedelta(seconds=2)
    longest: timedelta = timedelta(minutes=5)
    jitter: float = 0.5

    def wait(self, tries: int, seed: object) -> timedelta:
        """How long to wait after a number of tries, from 0; the same for the same seed."""
        # Past the 40th doubling every wait is the longest, and the power would no longer fit.
        doubled: int = 2 ** min(max(tries, 0), 40)
        full = min(self.longest, self.shortest * doubled)
        return full * (1 - self.jitter * random.Random(f"{seed}/{tries}").random())


@dataclass(frozen=True, slots=True)
class ExportPolicy:
    """Waits and limits of one vendor's exports. The defaults are for vendors that publish none.

    Attributes:
        pending_limit: How many exports of a connection may be under way at once; None: any.
        asks_per_day: How many requests a connection may make in one UTC day, refused ones not counted; None: any.
        quiet_around_midnight: How long before and after a UTC day's end nothing is asked: a request that is counted to
            the other day costs one, and clocks differ.
        polling: Waits between polls.
        refusal: Waits after a refusal that doesn't say how long.
        fetching: Waits after a download that failed.
        unknown_again: Waits before asking again when no answer came, counted from the asking.
        cool_down: Waits after the vendor made an export and broke it.
        lost_again: Waits before asking again for what the vendor no longer has.
        failure_ceiling: Broken exports after which a person is needed.
        loss_ceiling: Lost exports after which a person is needed.
        overdue_after: How long an export may take, counted from the vendor's taking it on.
        lost_after: How long until one that the vendor doesn't plainly acknowledge counts as lost.
        call_lease: How long one that is being polled is left to its poller.
        ask_lease: The same for one that is being asked for; longer than any request may take.
        poll_s: The longest that one poll may take.
        order_s: The same of an order.
        fetch_lease: The same for one that is being fetched; a longer fetch renews it.
        hook_life: How long the hook of an attempt takes the vendor's calls; None: the vendor does not call.
        is_polled: Whether the vendor can be asked how far an export is. If not, a look is one at the clock alone.
    """

    pending_limit: int | None = PENDING_LIMIT
    asks_per_day: int | None = None
    quiet_around_midnight: timedelta = timedelta()
    polling: Backoff = Backoff()
    refusal: Backoff = Backoff(shortest=timedelta(seconds=30))
    fetching: Backoff = Backoff(shortest=timedelta(seconds=30), longest=timedelta(minutes=30))
    unknown_again: Backoff = Backoff(timedelta(minutes=10), timedelta(hours=1), jitter=0)
    cool_down: Backoff = Backoff(timedelta(minutes=5), timedelta(hours=2))
    lost_again: Backoff = Backoff(timedelta(minutes=1), timedelta(hours=1))
    failure_ceiling: int = 3
    loss_ceiling: int = 5
    overdue_after: timedelta = timedelta(hours=12)
    lost_after: timedelta = timedelta(hours=24)
    call_lease: timedelta = timedelta(minutes=2)
    ask_lease: timedelta = timedelta(minutes=10)
    fetch_lease: timedelta = timedelta(minutes=15)
    poll_s: float = 15.0
    order_s: float = 30.0
    hook_life: timedelta | None = None
    is_polled: bool = True

    def asks_from(self, at: datetime) -> datetime:
        """When orders may be sent from an instant on: at once, or when midnight has passed."""
        day, quiet = floor(at, Granularity.DAY), self.quiet_around_midnight
        if at - day < quiet:
            return day + quiet
        next_day = day + Granularity.DAY.duration
        return next_day + quiet if next_day - at <= quiet else at

    def poll_at(self, export: Export, at: datetime, retry_after_s: float | None = None) -> datetime:
        """When to poll next; a vendor who says when is obeyed, up to a day."""
        if not self.is_polled:
            since = export.requested_at or at
            return since + (self.overdue_after if at < since + self.overdue_after else self.lost_after)
        return at + (_seconds(retry_after_s) or self.polling.wait(export.tries, export.name))

    def ask_refused_at(self, export: Export, at: datetime, retry_after_s: float | None = None) -> datetime:
        """When to ask again after a refusal."""
        return at + (_seconds(retry_after_s) or self.refusal.wait(export.tries, export.name))

    def ask_unknown_at(self, export: Export, at: datetime) -> datetime:
        """When to ask again where no answer came."""
        return (export.asked_at or at) + self.unknown_again.wait(export.tries, export.name)

    def fetch_at(self, export: Export, at: datetime, retry_after_s: float | None = None) -> datetime:
        """When to try again a download that failed."""
        return at + (_seconds(retry_after_s) or self.fetching.wait(export.tries, export.name))

    def ask_failed_at(self, export: Export, at: datetime, retry_after_s: float | None = None) -> datetime | None:
        """When to ask again after the vendor broke one more, not before it says; None: the ceiling is reached."""
        if export.failures + 1 >= self.failure_ceiling:
            return None
        return at + max(self.cool_down.wait(export.failures, export.name), _seconds(retry_after_s) or timedelta())

    def ask_lost_at(self, export: Export, at: datetime) -> datetime | None:
        """When to ask again after the vendor lost one more; None: the ceiling is reached."""
        if export.losses + 1 >= self.loss_ceiling:
            return None
        return at + self.lost_again.wait(export.losses, export.name)

    def is_overdue(self, export: Export, at: datetime) -> bool:
        """Whether the vendor has been at it for longer than it should take."""
        return export.requested_at is not None and at - export.requested_at >= self.overdue_after

    def is_lost(self, export: Export, at: datetime) -> bool:
        """Whether one that the vendor doesn't plainly acknowledge has to be taken for lost."""
        return export.requested_at is not None and at - export.requested_at >= self.lost_after


def _seconds(retry_after_s: float | None) -> timedelta | None:
    return timedelta(seconds=min(retry_after_s, LONGEST_TOLD.total_seconds())) if retry_after_s else None
