"""The people of the world and the names that different systems know them by.

A person is a number; everything about them follows from it, so that a million people take no memory. Not here: what
they do (`routes.py`, `world.py`).
"""

from __future__ import annotations

from typing import NamedTuple

# Keys as real imports leave them behind: words that tools read as nothing, numbers whose zeros matter, an address
# instead of a number, two keys that differ in case alone.
ODD_CONTACT_KEYS = ("NULL", "007", "Ana.Berg+news@example.org", "c-1a", "C-1A", "0x1F", "1e5", "true")
_FIRST_NAMES = ("Ana", "Björn", "Chloë", "Dmitri", "Élodie", "Fatma", "Göran", "Hye-jin", "Íris", "José")


class Person(NamedTuple):
    """One person and their identities.

    Attributes:
        number: From 0; the low numbers are the busy ones.
        contact_key: Key in Salesforce; never holds a comma, a quote or a line break.
        email: Address, in the case that the person once typed it.
        visitor_id: Cookie of the shop's web site.
        first_name: What a mail greets them with.
    """

    number: int
    contact_key: str
    email: str
    visitor_id: str
    first_name: str


def contact_key(number: int) -> str:
    """The Salesforce contact key of a person."""
    return ODD_CONTACT_KEYS[number] if number < len(ODD_CONTACT_KEYS) else f"C-{10_000_000 + number}"


def person(number: int) -> Person:
    """Everything about a person."""
    first_name = _FIRST_NAMES[number % len(_FIRST_NAMES)]
    local = f"person.{number}" if number % 7 else f"Person.{number}+shop"
    return Person(
        number, contact_key(number), f"{local}@example.org", f"v-{number * 2654435761 % 2**32:08x}", first_name
    )
