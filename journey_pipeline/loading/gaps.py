"""Which retrievable partitions are missing, how urgent that is, and which of them to ask for next.

Not here: the state of a single partition (`plan.py`), what a run of Dagster already has in hand (`components/`), how
people are told (`components/alerts.py`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.plan import State, survey
from journey_pipeline.model import Window, floor
from journey_pipeline.vendors.source import Stream


def requests_for(stream: Stream, partitions: int) -> int:
    """How many requests it takes, as a rule, to load so many partitions in a row."""
    answers = partitions
    if stream.open_ended:
        answers = min(1, partitions)
    elif stream.ordered_in:
        answers = -(-partitions // max(1, stream.ordered_in // stream.granularity.duration))
    return answers * stream.requests_per_partition


@dataclass(frozen=True, slots=True)
class Gaps:
    """What a stream lacks of what the vendor still keeps.

    Attributes:
        stream: Whose partitions they are.
        missing: Partitions that have not landed, oldest first.
        unfinished: Partitions that have landed and whose events are not made yet, oldest first.
        now: When this was so.
    """

    stream: Stream
    missing: tuple[Window, ...]
    unfinished: tuple[Window, ...]
    now: datetime

    @property
    def count(self) -> int:
        """How many partitions are not complete."""
        return len(self.missing) + len(self.unfinished)

    @property
    def deleted_in(self) -> timedelta | None:
        """How long the vendor still keeps the oldest missing partition; None if none is missing."""
        return self.missing[0].start + self.stream.retention - self.now if self.missing else None

    def needed(self, requests_per_s: float) -> timedelta:
        """How long it takes at least to ask for all that is missing."""
        return timedelta(seconds=requests_for(self.stream, len(self.missing)) / requests_per_s)

    def is_urgent(self, requests_per_s: float, reserve: timedelta = timedelta(hours=24)) -> bool:
        """Whether the oldest partition may be gone before the backlog is worked off, with time for a person to act."""
        left = self.deleted_in
        return left is not None and left < self.needed(requests_per_s) + reserve

    def next(self, busy: Collection[Window], at_most: int) -> list[Window]:
        """What to load next, oldest first, without what is in hand already."""
        wanted = sorted({*self.missing, *self.unfinished} - set(busy))
        return wanted[:at_most]


def find_gaps(lake: Lake, stream: Stream, now: datetime, *, until: datetime | None = None) -> Gaps:
    """Looks for partitions that are not complete and that the vendor still keeps.

    Args:
        lake: Where they would lie.
        stream: Whose partitions.
        now: The present.
        until: Only partitions that end by then, such as where the vendor's history is complete; the present if None.
    """
    granularity = stream.granularity
    oldest = floor(now - stream.retention, granularity)
    start = max(stream.start, oldest)
    end = floor(min(now, until or now), granularity)
    if start >= end:
        return Gaps(stream, (), (), now)
    found = survey(lake, stream, Window(start, end), now)
    return Gaps(stream, tuple(found.windows(State.MISSING)), tuple(found.windows(State.LANDED)), now)
