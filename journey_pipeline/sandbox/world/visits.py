"""The shop's visits: what people did on its site and with its mails, and since when it is known who they are.

A pure function of the world's parameters, in any order of asking; memory grows neither with the days nor with the
length of a span. Touches come by person, not by time. Not here: who does what when (`crowds.py`), what a vendor shows
of it (`sandbox/layerfive/`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from journey_pipeline.sandbox.world.crowds import (
    NEVER_MS,
    VISITOR_REACH_DAYS,
    Crowd,
    Customers,
    Hashes,
    Milliseconds,
    Visitors,
    mixed,
    salt,
)
from journey_pipeline.sandbox.world.individuals import Individual, cohort_of, individual
from journey_pipeline.sandbox.world.naming import Naming
from journey_pipeline.sandbox.world.sessions import DAY_MS, SIGN_UP, Touch, customer_ways, visitor_ways

_CUSTOMERS_SHARE = 0.5  # of all touches
# A question looks at some 180 days, and the next one at nearly the same: those of a small world are kept.
_FEW_VISITORS = 200
_KEPT_DAYS = 256

# For the moments at which people became known: from when on their touches are wanted, `NEVER_MS` for not at all.
Earliest: TypeAlias = Callable[[Milliseconds], Milliseconds]


class Touchpoint(NamedTuple):
    """One touch. Times are milliseconds since 1970.

    Two clicks at the same moment are equal in everything: they are two touchpoints that nothing tells apart.

    Attributes:
        occurred_ms: When it happened.
        person_number: Who.
        known_ms: When the person became known, `NEVER_MS` for never.
        session: The visit's identity, 64 bits.
        luck: 64 bits that follow from all of it: for what is decided by dice.
        touch: What.
    """

    occurred_ms: int
    person_number: int
    known_ms: int
    session: int
    luck: int
    touch: Touch

    @property
    def individual(self) -> Individual:
        """Who, with all identities."""
        return individual(self.person_number)


@dataclass(frozen=True, slots=True)
class Touchpoints:
    """Some touchpoints by person and time, a few thousand at a time; arrays of equal length, as in `Touchpoint`."""

    occurred_ms: Milliseconds
    person_number: npt.NDArray[np.int64]
    known_ms: Milliseconds
    session: Hashes
    luck: Hashes
    touch: npt.NDArray[np.int64]
    table: Sequence[Touch]

    def __len__(self) -> int:
        return len(self.occurred_ms)

    def __iter__(self) -> Iterator[Touchpoint]:
        columns = (self.occurred_ms, self.person_number, self.known_ms, self.session, self.luck, self.touch)
        for at, who, known, session, luck, touch in zip(*(column.tolist() for column in columns), strict=True):
            yield Touchpoint(at, who, known, session, luck, SIGN_UP if touch < 0 else self.table[touch])

    def only(self, wanted: npt.NDArray[np.bool_] | slice) -> Touchpoints:
        """Some of them, in the same order."""
        return Touchpoints(
            self.occurred_ms[wanted],
            self.person_number[wanted],
            self.known_ms[wanted],
            self.session[wanted],
            self.luck[wanted],
            self.touch[wanted],
            self.table,
        )


class Visits:
    """All visits of a world.

    Args:
        customers: How many people are known for years.
        campaigns: What the shop's mails are sent by.
        touchpoints_per_day: On a day of average business, nearly; half of them are customers'.
        known_share: Share of new visitors that becomes known, up to 89 days after they first came.
        steady: Whether all hours and days are equally busy.
        names: What advertisements and pages are called.
    """

    def __init__(
        self,
        seed: int,
        *,
        customers: int,
        campaigns: Sequence[str],
        touchpoints_per_day: int,
        known_share: float,
        steady: bool,
        names: Naming,
    ) -> None:
        self._seed = seed
        ways = visitor_ways(seed, steady=steady, names=names)
        a_day = touchpoints_per_day * (1 - _CUSTOMERS_SHARE) / (ways.touches_a_way + known_share)
        self._visitors = Visitors(seed, ways, a_day, known_share, steady)
        self._kept_crowds = lru_cache(maxsize=_KEPT_DAYS)(lambda day: list(self._visitors.crowds(day)))
        errands = customer_ways(seed, campaigns, steady=steady, names=names)
        visits_a_day = touchpoints_per_day * _CUSTOMERS_SHARE / errands.touches_a_way
        self._customers = Customers(seed, errands, customers, visits_a_day, steady)

    def touchpoints(self, start_ms: int, end_ms: int, *, earliest: Earliest | None = None) -> Iterator[Touchpoints]:
        """What people did in `[start_ms, end_ms)`, a few thousand touches at a time, all of a person's in one.

        Args:
            start_ms: Milliseconds since 1970.
            earliest: From when on a person's touches are wanted, by when the person became known; all if None.
        """
        for group in self._customers.groups((end_ms - start_ms) // DAY_MS + 2):
            # Hardly any customer is news: looking at the days that are wanted of them saves looking at ninety.
            from_ms = start_ms if earliest is None else int(earliest(self._customers.known_ms(group)).min())
            if from_ms < end_ms:
                crowd = self._customers.crowd(group, max(start_ms, from_ms), end_ms)
                yield self._chosen(crowd, self._customers.ways.touches, start_ms, end_ms, earliest)
        for day in range(start_ms // DAY_MS - VISITOR_REACH_DAYS, end_ms // DAY_MS + 1):
            few = self._visitors.size(day) <= _FEW_VISITORS
            for crowd in self._kept_crowds(day) if few else self._visitors.crowds(day):
                yield self._chosen(crowd, self._visitors.ways.touches, start_ms, end_ms, earliest)

    def of_person(self, number: int, start_ms: int, end_ms: int) -> Touchpoints | None:
        """What one person did in `[start_ms, end_ms)`; None if there is no such person."""
        cohort = cohort_of(number)
        if cohort is None:
            if number >= self._customers.count:
                return None
            crowd = self._customers.crowd(range(number, number + 1), start_ms, end_ms)
            return self._chosen(crowd, self._customers.ways.touches, start_ms, end_ms, None)
        day, index = cohort
        if index >= self._visitors.size(day):
            return None
        crowd = self._visitors.crowd(day, range(index, index + 1))
        return self._chosen(crowd, self._visitors.ways.touches, start_ms, end_ms, None)

    def known_ms(self, number: int) -> int | None:
        """When a person became, or will become, known; None if never, or if there is no such person."""
        cohort = cohort_of(number)
        if cohort is None:
            known = self._customers.known_ms(range(number, number + 1))
            return int(known[0]) if number < self._customers.count else None
        day, index = cohort
        if index >= self._visitors.size(day):
            return None
        known_ms = int(self._visitors.crowd(day, range(index, index + 1)).known_ms[0])
        return None if known_ms == NEVER_MS else known_ms

    def _chosen(
        self, crowd: Crowd, table: Sequence[Touch], start_ms: int, end_ms: int, earliest: Earliest | None
    ) -> Touchpoints:
        wanted = (crowd.occurred_ms >= start_ms) & (crowd.occurred_ms < end_ms)
        if earliest is not None:
            wanted &= crowd.occurred_ms >= earliest(crowd.known_ms)[crowd.person]
        chosen = np.flatnonzero(wanted)
        chosen = chosen[np.lexsort((crowd.occurred_ms[chosen], crowd.person[chosen]))]
        person, occurred_ms, touch = crowd.person[chosen], crowd.occurred_ms[chosen], crowd.touch[chosen]
        numbers = crowd.numbers[person]
        session = mixed(mixed(numbers, salt(self._seed, "session")) + crowd.session[chosen].astype(np.uint64), 0)
        # By moment and person, not by place: what happens twice at once is the same twice.
        luck = mixed(session + occurred_ms.astype(np.uint64), salt(self._seed, "luck"))
        return Touchpoints(occurred_ms, numbers, crowd.known_ms[person], session, luck, touch, table)
