"""The world: a pure function of its parameters that tells what happened in any window, in any order of asking.

Time is cut into slices of equal length. A slice's entries come from a generator seeded with the slice's number, and
what an entry leads to later is read from a table (`routes.py`), so that the events of a slice need only the entries of
a handful of earlier slices, and memory never grows. Not here: what a vendor shows of it, and until when.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from typing import NamedTuple

from journey_pipeline.errors import ConfigError
from journey_pipeline.model import Window
from journey_pipeline.sandbox.world.catalog import Journey, catalog, guid_text
from journey_pipeline.sandbox.world.curve import busyness
from journey_pipeline.sandbox.world.naming import Naming
from journey_pipeline.sandbox.world.people import Person, contact_key, person
from journey_pipeline.sandbox.world.routes import TABLE_BITS, Happening, Table, tables
from journey_pipeline.sandbox.world.visits import Touchpoint, Visits

HOUR_MS = 3_600_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SLOT_MASK = (1 << TABLE_BITS) - 1
_STEPS_A_SLICE = 40  # a step takes a 40th of what is left of the slice: none of a hour's steps leaves it
_ROWS_A_SLICE = 3_000
_SLICES_AN_HOUR = (12, 60, 120, 360, 1200, 3600)


@lru_cache(maxsize=2)
def _plans(seed: int, journeys: int, names: Naming) -> tuple[tuple[Journey, ...], dict[int, Table], float]:
    """The catalog and its tables, which worlds of the same seed share."""
    found = catalog(seed, journeys, names)
    return found, *tables(found)


class Event(NamedTuple):
    """One thing that happened. Times are milliseconds since 1970, ids numbers below 2**128.

    Attributes:
        occurred_ms: When it happened.
        number: The event's identity.
        visible_ms: When the vendor's history first shows it.
        passage: One passage of one person through one version of a journey.
        person_number: Who.
        happening: What.
    """

    occurred_ms: int
    number: int
    visible_ms: int
    passage: int
    person_number: int
    happening: Happening

    @property
    def id(self) -> str:
        """The event's identity as a GUID."""
        return guid_text(self.number)

    @property
    def passage_id(self) -> str:
        """The passage as a GUID."""
        return guid_text(self.passage)

    @property
    def occurred_at(self) -> datetime:
        """When it happened, UTC."""
        return instant(self.occurred_ms)

    @property
    def visible_at(self) -> datetime:
        """When the vendor's history first shows it, UTC."""
        return instant(self.visible_ms)

    @property
    def contact_key(self) -> str:
        """Who, as Salesforce knows them."""
        return contact_key(self.person_number)

    @property
    def person(self) -> Person:
        """Who, with all identities."""
        return person(self.person_number)


@dataclass(frozen=True)
class World:
    """One shop with its journeys and customers.

    Attributes:
        seed: Another seed, another world of the same kind.
        contacts: How many people there are; the first ones come more often.
        rows_per_hour: Events that an hour of average business has, nearly.
        journeys: How many journeys there are; most have one version, some two or three.
        late_share: Share of events that become visible only hours after `lag_s`.
        late_h: The most hours that a late event comes after `lag_s`; the least is one.
        lag_s: The most seconds that any other event takes to become visible.
        steady: Whether all hours are equally busy, instead of following the curve of a week.
        touchpoints_per_day: Touches of the shop's site and mails that a day of average business has, nearly.
        known_share: Share of new visitors who become known, up to 89 days after they first came.
        names: What journeys, e-mails and advertisements are called.
    """

    seed: int = 7
    contacts: int = 50_000
    rows_per_hour: int = 2_000
    journeys: int = 40
    late_share: float = 0.002
    late_h: int = 30
    lag_s: int = 1_200
    steady: bool = False
    touchpoints_per_day: int = 3_000
    known_share: float = 0.4
    names: Naming = "hostile"
    catalog: tuple[Journey, ...] = field(init=False, repr=False, compare=False)
    _tables: dict[int, Table] = field(init=False, repr=False, compare=False)
    _entries_per_hour: float = field(init=False, repr=False, compare=False)
    _slices_per_hour: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        least = {
            "contacts": 1,
            "rows_per_hour": 0,
            "journeys": 1,
            "late_h": 1,
            "lag_s": 1,
            "touchpoints_per_day": 0,
        }
        for name, value in least.items():
            if getattr(self, name) < value:
                raise ConfigError(f"a world needs {name} of at least {value}, got {getattr(self, name)}")
        for name in ("late_share", "known_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"a world's {name} is a share from 0 to 1, got {getattr(self, name)}")
        journeys, by_hour, rows_a_passage = _plans(self.seed, self.journeys, self.names)
        object.__setattr__(self, "catalog", journeys)
        object.__setattr__(self, "_tables", by_hour)
        object.__setattr__(self, "_entries_per_hour", self.rows_per_hour / rows_a_passage)
        fine = (count for count in _SLICES_AN_HOUR if self.rows_per_hour <= count * _ROWS_A_SLICE)
        object.__setattr__(self, "_slices_per_hour", next(fine, _SLICES_AN_HOUR[-1]))

    @property
    def reach(self) -> timedelta:
        """The longest that a passage takes: no event comes later after its entry."""
        return timedelta(hours=max(self._tables) + 1)

    def events(self, window: Window, *, visible_at: datetime | None = None) -> Iterator[Event]:
        """What happened in a window, oldest first; ties in the order of their ids.

        Args:
            window: Of the times at which it happened.
            visible_at: Only what the vendor shows at that instant; everything if None.
        """
        limit = None if visible_at is None else _floor_ms(visible_at)
        for part in self.slices(_ceil_ms(window.start), _ceil_ms(window.end)):
            yield from (part if limit is None else (event for event in part if event.visible_ms <= limit))

    def count(self, window: Window, *, visible_at: datetime | None = None) -> int:
        """How many events `events` gives."""
        return sum(1 for _ in self.events(window, visible_at=visible_at))

    @cached_property
    def visits(self) -> Visits:
        """What people do on the shop's site and with its mails, and when they become known."""
        return Visits(
            self.seed,
            customers=self.contacts,
            campaigns=[journey.name for journey in self.catalog],
            touchpoints_per_day=self.touchpoints_per_day,
            known_share=self.known_share,
            steady=self.steady,
            names=self.names,
        )

    def touchpoints(self, window: Window) -> Iterator[Touchpoint]:
        """What people did in a window on the site and with mails, known or not; by person, not by time."""
        for some in self.visits.touchpoints(_ceil_ms(window.start), _ceil_ms(window.end)):
            yield from some

    def slices(self, start_ms: int, end_ms: int, *, newest_first: bool = False) -> Iterator[list[Event]]:
        """The events of `[start_ms, end_ms)` in lists of a few thousand, one for each slice of time."""
        length = HOUR_MS // self._slices_per_hour
        numbers = range(start_ms // length, -(-end_ms // length))
        for number in reversed(numbers) if newest_first else numbers:
            events = self._slice(number)
            if number * length < start_ms or (number + 1) * length > end_ms:
                events = [event for event in events if start_ms <= event.occurred_ms < end_ms]
            events.sort(reverse=newest_first)
            yield events

    def _slice(self, number: int) -> list[Event]:
        """The events of one slice, in no order: each hour's part of those who entered that many hours ago."""
        length = HOUR_MS // self._slices_per_hour
        start = number * length
        late = round(self.late_share * 0x10000)
        lag_ms, late_ms = self.lag_s * 1000, (self.late_h - 1) * HOUR_MS
        events: list[Event] = []
        for hours, table in self._tables.items():
            for position, (high, low, fate) in enumerate(self._entries(number - hours * self._slices_per_hour)):
                placed = table[fate & _SLOT_MASK]
                if not placed:
                    continue
                passage = high << 64 | low
                # The first who enters in an hour does so on the stroke of it: a bound must have something to bound.
                on_the_hour = not position and not number % self._slices_per_hour
                first = start if on_the_hour else start + ((low & 0xFFFF) * length >> 16)
                # A quarter of the passages take all steps of an hour in the same millisecond.
                left = (start + length - 1 - first) if high & 3 else 0
                luck = fate >> 32
                who = luck * luck * self.contacts >> 64
                for happening, step, index in placed:
                    occurred = first + left * index // _STEPS_A_SLICE
                    identity = (passage * 0x9E3779B97F4A7C15F39CC0605CEDC835 + (step + 1) * _STEP_FACTOR) & _MASK_128
                    delay = 1 + (identity >> 64 & 0xFFFF) * (lag_ms - 1) // 0xFFFF
                    if (identity >> 96 & 0xFFFF) < late:
                        delay = lag_ms + HOUR_MS + (identity >> 64 & 0xFFFF) * late_ms // 0xFFFF
                    events.append(Event(occurred, identity, occurred + delay, passage, who, happening))
        return events

    def _entries(self, number: int) -> Iterator[tuple[int, int, int]]:
        """Those who enter in a slice: three random 64-bit numbers each."""
        busy = 1.0 if self.steady else busyness(number // self._slices_per_hour)
        average = self._entries_per_hour * busy / self._slices_per_hour
        least = 1 if self.rows_per_hour and not number % self._slices_per_hour else 0
        return struct.iter_unpack("<QQQ", _drawn(f"{self.seed}/{self._slices_per_hour}/{number}", average, least))


# Each slice needs the entries of the same few hundred slices before it as its neighbours do. An export of a day goes
# back some five days in all.
@lru_cache(maxsize=2048)
def _drawn(seed: str, average: float, least: int) -> bytes:
    """The entries of a slice, of which there are so many on average and at least so many: 24 random bytes each."""
    generator = random.Random(seed)
    return generator.randbytes(24 * max(int(average + generator.random()), least))


_MASK_128 = (1 << 128) - 1
_STEP_FACTOR = 0xC2B2AE3D27D4EB4F165667B19E3779F9D


def instant(ms: int) -> datetime:
    """Milliseconds since 1970 as a time, UTC."""
    return _EPOCH + timedelta(milliseconds=ms)


def _floor_ms(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(milliseconds=1)


def _ceil_ms(at: datetime) -> int:
    return -((_EPOCH - at) // timedelta(milliseconds=1))
