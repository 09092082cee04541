"""Which events an export has: those of a window that the vendor has by the time of the order, late ones and repeats.

The vendor receives an event some time after it happened, late ones hours after, and has it in exports some time after
that. Not here: what comes of an event of the world (`reactions.py`), and how a file tells it (`profile_file.py`,
`email_file.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from journey_pipeline.model import Window
from journey_pipeline.sandbox.apsis.options import FileShape
from journey_pipeline.sandbox.apsis.reactions import (
    HOUR_MS,
    MOST_LAG_MS,
    MOST_REACTION_MS,
    Reaction,
    dice,
    luck_of,
    reactions,
)
from journey_pipeline.sandbox.world import World

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_PROMPT = 0.95
_REPEATED = 0.004  # share of events that the source sends twice
_REPEAT_MS = 30_000
_TIMELESS = 0.004  # share of events whose time the source doesn't tell
_AN_HOUR_INTO_1970_MS = 3_600_000


class Received(NamedTuple):
    """An event as the vendor received it; a repeat differs in `created_ms` alone.

    Attributes:
        created_ms: When.
        event: What.
    """

    created_ms: int
    event: Reaction

    @property
    def stated_ms(self) -> int:
        """When it happened, as the source says: 0 or a time in 1970 where it doesn't know."""
        if self.event.share(10) < _TIMELESS:
            return 0 if self.event.share(11) < 0.5 else _AN_HOUR_INTO_1970_MS  # noqa: PLR2004 - one half
        return self.event.source_ms


@dataclass(frozen=True, slots=True)
class Span:
    """What an export is asked for, in milliseconds since 1970: `[start_ms, end_ms)`, as known at `asked_ms`.

    Its bounds are tested by the server's time, or by the source's if `by_source`.
    """

    start_ms: int
    end_ms: int
    asked_ms: int
    by_source: bool = False

    @classmethod
    def of(cls, window: Window, asked_at: datetime, shape: FileShape) -> Span:
        """The span of a window."""
        return cls(ms(window.start), ms(window.end), ms(asked_at), shape.window_time == "source")

    def has(self, at_ms: int) -> bool:
        """Whether an instant lies in it and is past."""
        return self.start_ms <= at_ms < self.end_ms and at_ms <= self.asked_ms


class EventSource:
    """The vendor's events."""

    def __init__(self, world: World) -> None:
        self._world = world

    def received(self, span: Span, *, buckets: int = 1, bucket: int = 0) -> Iterator[Received]:
        """The events of a span, nearly in the order in which they happened.

        Args:
            buckets: People are dealt into so many heaps by their numbers,
            bucket: and only those in this one are told of.
        """
        world, by_source = self._world, span.by_source
        soon = span.start_ms - MOST_REACTION_MS - (0 if by_source else MOST_LAG_MS + _REPEAT_MS)
        first = soon if by_source else soon - world.late_h * HOUR_MS
        for part in world.slices(first, min(span.end_ms, span.asked_ms)):
            for event in part:
                if event.person_number % buckets != bucket:
                    continue
                luck = luck_of(event)
                late_ms = self._late_ms(luck)
                # All that came of an event so long ago was received before the span, unless it is late.
                if event.occurred_ms < soon and not late_ms:
                    continue
                processing = event.visible_ms - event.occurred_ms
                for reaction in reactions(event, luck):
                    for one in _copies(reaction, late_ms):
                        at = reaction.source_ms if by_source else one.created_ms
                        if span.start_ms <= at < span.end_ms and one.created_ms + processing <= span.asked_ms:
                            yield one

    def _late_ms(self, luck: int) -> int:
        """How late everything is received that came of an event of the world; 0 for most."""
        if dice(luck, 16) >= self._world.late_share:
            return 0
        return HOUR_MS + int(dice(luck, 19) * (self._world.late_h - 1) * HOUR_MS)


def in_profiles(event: Reaction, shape: FileShape) -> bool:
    """Whether profile exports have the event: they lack a small share of the e-mail events."""
    return not event.type.csv_type or event.share(12) >= shape.profile_gap


def in_emails(event: Reaction, shape: FileShape) -> bool:
    """Whether e-mail exports have the event: they lack a small share of the e-mail events, and all others."""
    return bool(event.type.csv_type) and event.share(13) >= shape.email_gap


def _copies(event: Reaction, late_ms: int) -> Iterator[Received]:
    """The event as it is received, once as a rule: nearly all within three seconds, the others within five minutes."""
    share = event.share(14)
    lag_ms = late_ms + 20 + int(share * (3_000 if share < _PROMPT else MOST_LAG_MS - 20))
    yield Received(event.source_ms + lag_ms, event)
    if event.share(17) < _REPEATED:
        yield Received(event.source_ms + lag_ms + 1 + int(share * _REPEAT_MS), event)


def ms(at: datetime) -> int:
    """An aware instant in milliseconds since 1970, rounded down."""
    return (at - _EPOCH) // _MS


def instant(at_ms: int) -> datetime:
    """Milliseconds since 1970 as a time, UTC."""
    return _EPOCH + at_ms * _MS
