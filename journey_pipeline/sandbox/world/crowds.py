"""Who visits the shop and when: customers by a popularity curve, and visitors in daily cohorts.

Everything follows from a person's number by hashing, for many people at a time, so that no person has to be stored:
a visitor's visits of the following hundred days, the moment of becoming known, a customer's visits on any day. Not
here: what a visit is (`sessions.py`), names and addresses (`individuals.py`).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from journey_pipeline.sandbox.world.curve import busyness
from journey_pipeline.sandbox.world.individuals import visitor_number
from journey_pipeline.sandbox.world.sessions import DAY_MS, LAST_VISIT_DAY, LONGEST_SESSION_MS, Ways

Milliseconds = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]

NEVER_MS = np.iinfo(np.int64).max
LATEST_KNOWN_MS = 89 * DAY_MS  # after the first visit
VISITOR_REACH_DAYS = LAST_VISIT_DAY + 2  # a visit may begin late on its day, and go on after midnight
_CUSTOMERS_KNOWN_MS = 16_436 * DAY_MS  # from 2015 on
_CUSTOMERS_KNOWN_SPAN_MS = 5 * 365 * DAY_MS
_MOST_PEOPLE = 8_192
_MOST_VISITORS = 2_048
_MOST_VISITS = 8_192


@dataclass(frozen=True, slots=True)
class Crowd:
    """Some people, and everything they did in some span of time; arrays of equal length for people and for touches.

    Attributes:
        numbers: The people; int64.
        known_ms: When each became known, `NEVER_MS` for those who never do; int64.
        person: Of each touch, whose it is: a place in `numbers`; int64.
        occurred_ms: Of each touch, when; int64.
        session: Of each touch, which visit of this person it belongs to; int64.
        touch: Of each touch, what: a place in the table of ways; -1 for the sign-up.
    """

    numbers: npt.NDArray[np.int64]
    known_ms: Milliseconds
    person: npt.NDArray[np.int64]
    occurred_ms: Milliseconds
    session: npt.NDArray[np.int64]
    touch: npt.NDArray[np.int64]


def mixed(values: npt.NDArray[np.int64] | Hashes, salt: int) -> Hashes:
    """A hash of each number, 64 bits (the finalizer of splitmix64)."""
    mixing: Hashes = values.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(salt)
    mixing ^= mixing >> np.uint64(30)
    mixing *= np.uint64(0xBF58476D1CE4E5B9)
    mixing ^= mixing >> np.uint64(27)
    mixing *= np.uint64(0x94D049BB133111EB)
    return mixing ^ mixing >> np.uint64(31)


@lru_cache(maxsize=1_024)
def salt(*parts: object) -> int:
    """A 64-bit number that follows from its parts."""
    return int.from_bytes(hashlib.blake2b(repr(parts).encode(), digest_size=8).digest())


@lru_cache(maxsize=1_024)
def day_weight(day: int) -> float:
    """How busy a day is, where 1 is the mean of a week; `day` in days since 1970."""
    return sum(busyness(day * 24 + hour) for hour in range(24)) / 24


@dataclass(frozen=True, slots=True)
class Visitors:
    """Those who first come on a certain day.

    Attributes:
        seed: The world's.
        ways: What they do.
        a_day: How many there are on a day of average business.
        known_share: Share of them that becomes known.
        steady: Whether all days are alike.
    """

    seed: int
    ways: Ways
    a_day: float
    known_share: float
    steady: bool

    def size(self, day: int) -> int:
        """How many there are on a day."""
        return round(self.a_day * (1.0 if self.steady else day_weight(day)))

    def crowds(self, day: int) -> Iterator[Crowd]:
        """All of a day, some at a time, with everything they will ever do."""
        size = self.size(day)
        for first in range(0, size, _MOST_VISITORS):
            yield self.crowd(day, range(first, min(size, first + _MOST_VISITORS)))

    def crowd(self, day: int, indices: range) -> Crowd:
        """Some of a day, with everything they will ever do."""
        numbers = visitor_number(day, 0) + np.arange(indices.start, indices.stop, dtype=np.int64)
        fate = mixed(numbers, salt(self.seed, "fate"))
        way = (fate % np.uint64(len(self.ways.first))).astype(np.int64)
        midnight_ms = day * DAY_MS + _share_of(fate >> np.uint64(24), LONGEST_SESSION_MS)
        known_ms = self._known_ms(numbers, midnight_ms + self.ways.offset_ms[self.ways.first[way]])
        person, place = _spread(self.ways, way)
        signs_up = np.flatnonzero(known_ms != NEVER_MS)
        return Crowd(
            numbers=numbers,
            known_ms=known_ms,
            person=np.concatenate([person, signs_up]),
            occurred_ms=np.concatenate([midnight_ms[person] + self.ways.offset_ms[place], known_ms[signs_up]]),
            session=np.concatenate([self.ways.session[place], np.full(len(signs_up), -1)]),
            touch=np.concatenate([place, np.full(len(signs_up), -1)]),
        )

    def _known_ms(self, numbers: npt.NDArray[np.int64], first_ms: Milliseconds) -> Milliseconds:
        """When they become known: most of those who do, soon after the first visit, some only 89 days later."""
        luck = mixed(numbers, salt(self.seed, "known"))
        becomes = (luck & np.uint64(0xFFFF)) < np.uint64(round(self.known_share * 0x10000))
        patience = (luck >> np.uint64(32)).astype(np.float64) / (1 << 32)
        return np.where(becomes, first_ms + (patience**2 * LATEST_KNOWN_MS).astype(np.int64), NEVER_MS)


@dataclass(frozen=True, slots=True)
class Customers:
    """The people of `people.py`, known for years; the low numbers come more often.

    Attributes:
        seed: The world's.
        ways: What they do on a visit.
        count: How many there are.
        visits_a_day: Of all of them together, on a day of average business.
        steady: Whether all days are alike.
    """

    seed: int
    ways: Ways
    count: int
    visits_a_day: float
    steady: bool

    def groups(self, days: int) -> Iterator[range]:
        """All of them in groups, each of which makes no more than some thousand visits in so many days, if it can."""
        visits = max(1.0, self.visits_a_day * days)
        first = 0
        while first < self.count:
            # As many visits are made by the people up to the n-th as the root of n, see `_rates`.
            last = math.floor(self.count * (math.sqrt(first / self.count) + _MOST_VISITS / visits) ** 2)
            last = min(max(last, first + 1), first + _MOST_PEOPLE, self.count)
            yield range(first, last)
            first = last

    def known_ms(self, indices: range) -> Milliseconds:
        """When some of them became known."""
        numbers = np.arange(indices.start, indices.stop, dtype=np.int64)
        since = mixed(numbers, salt(self.seed, "customer since"))
        return _CUSTOMERS_KNOWN_MS + _share_of(since, _CUSTOMERS_KNOWN_SPAN_MS)

    def crowd(self, indices: range, start_ms: int, end_ms: int) -> Crowd:
        """Some of them, with what they did in a span, and a little around it."""
        numbers = np.arange(indices.start, indices.stop, dtype=np.int64)
        days = range((start_ms - LONGEST_SESSION_MS) // DAY_MS - 1, end_ms // DAY_MS + 1)
        found = [self._day(numbers, day) for day in days]
        person, occurred_ms, session, touch = (np.concatenate(columns) for columns in zip(*found, strict=True))
        return Crowd(numbers, self.known_ms(indices), person, occurred_ms, session, touch)

    def _day(self, numbers: npt.NDArray[np.int64], day: int) -> Sequence[npt.NDArray[np.int64]]:
        """The touches of the visits that begin on a day: whose, when, in which visit, what."""
        luck = mixed(numbers, salt(self.seed, "visits", day))
        visits = self._rates(numbers, day) + (luck >> np.uint64(40)).astype(np.float64) / (1 << 24)
        counts = visits.astype(np.int64)
        # The busiest comes every day, on the stroke of midnight: a bound must have something to bound.
        strokes = (numbers == 0) & (self.visits_a_day > 0)
        counts[strokes] = np.maximum(counts[strokes], 1)
        visitor = np.repeat(np.arange(len(numbers)), counts)
        ordinal = np.arange(len(visitor)) - np.repeat(np.cumsum(counts) - counts, counts)
        session = day * 10_000 + ordinal
        fate = mixed(luck[visitor] + ordinal.astype(np.uint64), salt(self.seed, "visit"))
        way = (fate % np.uint64(len(self.ways.first))).astype(np.int64)
        start_ms = day * DAY_MS + _share_of(fate >> np.uint64(24), LONGEST_SESSION_MS)
        first_of_day = strokes[visitor] & (ordinal == 0)
        start_ms[first_of_day] = day * DAY_MS - self.ways.offset_ms[self.ways.first[way[first_of_day]]]
        visit, place = _spread(self.ways, way)
        return visitor[visit], start_ms[visit] + self.ways.offset_ms[place], session[visit], place

    def _rates(self, numbers: npt.NDArray[np.int64], day: int) -> npt.NDArray[np.float64]:
        """How many visits each makes on a day, on average."""
        roots = np.sqrt(np.arange(numbers[0], numbers[-1] + 2) / self.count)
        rates: npt.NDArray[np.float64] = np.diff(roots) * self.visits_a_day
        return rates if self.steady else rates * day_weight(day)


def _spread(ways: Ways, way: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """For each touch of some ways: which of the ways it is of, and its place in the table."""
    counts = ways.count[way]
    which = np.repeat(np.arange(len(way)), counts)
    return which, np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts - ways.first[way], counts)


def _share_of(hashes: Hashes, most: int) -> Milliseconds:
    """A number below `most` for each hash, by its low 32 bits."""
    low = (hashes & np.uint64(0xFFFFFFFF)).astype(np.float64)
    return (low / (1 << 32) * most).astype(np.int64)
