"""What a profile store knows about the people: export keys, attributes that change over time, tags that come and go.

All of it is a function of the person's number and the instant, so that a million profiles take no memory. Not here:
which of it an account has defined, and under which ids (each vendor's own folder).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import TypeAlias

from journey_pipeline.model import iso
from journey_pipeline.sandbox.world.people import person

Value: TypeAlias = str | int | float | bool | None

_GENDERS = ("female", "male", None, "other")
_COUNTRIES = ("SE", "NO", "DK", "FI", "DE")
_EPOCH = datetime(2024, 1, 1, tzinfo=UTC)
_FIRST_BIRTHDAY = date(1950, 1, 1)
_A_WEEK = timedelta(days=7)

# By name, from a person's number and the week since the epoch.
_VALUES: dict[str, Callable[[int, int], Value]] = {
    "email": lambda number, _: person(number).email,
    "first_name": lambda number, _: person(number).first_name,
    "gender": lambda number, _: _GENDERS[number % len(_GENDERS)],
    "country": lambda number, _: _COUNTRIES[number % len(_COUNTRIES)],
    "born_on": lambda number, _: (_FIRST_BIRTHDAY + timedelta(days=number * 37 % 20_000)).isoformat(),
    "score": lambda number, week: (number * 31 + week * 17) % 1_000 - 100,
    "spent": lambda number, week: (number * 7_919 + week * 1_250) % 1_000_000 / 100,
    "is_member": lambda number, _: number % 3 == 0,
    "last_visit_at": lambda number, week: iso(_EPOCH + week * _A_WEEK - timedelta(minutes=number % 10_000)),
}


@lru_cache(maxsize=65_536)
def export_key(number: int) -> str:
    """The key under which a profile store exports a person, the same for ever."""
    return f"xk-{hashlib.blake2b(f'profile {number}'.encode(), digest_size=8).hexdigest()}"


def attributes(number: int, at: datetime, names: Iterable[str] = tuple(_VALUES)) -> dict[str, Value]:
    """A person's attributes by name at an instant. `score`, `spent` and `last_visit_at` change from week to week.

    Args:
        at: When, aware.
    """
    week = (at - _EPOCH) // _A_WEEK
    return {name: _VALUES[name](number, week) for name in names}


def tags(number: int, at: datetime) -> frozenset[str]:
    """The tags that a person carries at an instant; some come and go from week to week.

    Args:
        at: When, aware.
    """
    week = (at - _EPOCH) // _A_WEEK
    carried = {"vip": number % 13 == 0, "newsletter": number % 2 == 0, "sale": (number + week) % 5 == 0}
    return frozenset(tag for tag, is_set in carried.items() if is_set)
