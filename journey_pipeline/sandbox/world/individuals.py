"""The people who visit the shop, by number: customers, who are the people of `people.py`, and visitors of a day.

A person who first came on a day is known by this day and a number within it, so that a hundred years of
visitors take no memory. Not here: what they do (`crowds.py`), and when they become known (likewise).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from journey_pipeline.sandbox.world.people import person

_DAY_SHIFT = 32
_FIRST_DAY = 1 << 20  # added to days since 1970, so that all numbers of visitors lie above those of customers
_ADDRESS = re.compile(r"(?P<kind>person|guest\.(?P<day>-?\d{1,7}))\.(?P<number>\d{1,10})(\+shop)?@example\.org")


class Individual(NamedTuple):
    """Who made a touch.

    Attributes:
        id: As the vendor numbers people, such as `p-81`.
        email: Address, in the case that the person once typed it.
        visitor_id: Cookie of the shop's web site.
    """

    id: str
    email: str
    visitor_id: str


def visitor_number(day: int, index: int) -> int:
    """The number of a visitor.

    Args:
        day: When they first came, in days since 1970.
        index: Their number among those who came that day.
    """
    return (day + _FIRST_DAY << _DAY_SHIFT) + index


def cohort_of(number: int) -> tuple[int, int] | None:
    """Day and index of a visitor, the inverse of `visitor_number`; None for customers."""
    day, index = number >> _DAY_SHIFT, number & (1 << _DAY_SHIFT) - 1
    return (day - _FIRST_DAY, index) if day else None


@lru_cache(maxsize=4_096)
def individual(number: int) -> Individual:
    """Everything about a person by their number; for customers it is what `people.person` says."""
    cohort = cohort_of(number)
    if cohort is None:
        customer = person(number)
        return Individual(f"p-{number}", customer.email, customer.visitor_id)
    day, index = cohort
    local = f"guest.{day}.{index}" if index % 7 else f"Guest.{day}.{index}+shop"
    return Individual(f"p-{day}-{index}", f"{local}@example.org", f"v-{day:x}-{index:x}")


def number_of(email: str) -> int | None:
    """The person of an address, in any case; None if it belongs to no person. The person need not exist yet."""
    found = _ADDRESS.fullmatch(email.lower())
    if found is None:
        return None
    index = int(found["number"])
    number = index if found["day"] is None else visitor_number(int(found["day"]), index)
    return number if individual(number).email.lower() == email.lower() else None
