"""Names of a plausible shop, in place of the hostile ones that the simulation has for careless readers.

A plausible world differs from a hostile one in names alone: what happens, when and to whom is the same.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

Naming: TypeAlias = Literal["hostile", "plausible"]
"""What a world's names are like."""

_MARKETS = ("", ", Norway", ", Denmark", ", Finland")  # the shop runs its journeys in each
_PLAUSIBLE = {
    # journeys
    'Winter, "soft" start': "Winter sale",
    "Cart abandoned": "Abandoned cart",
    "Win-back\nsecond line": "Win-back after 90 days",
    "Tack för köpet, åäö 🚚": "Thank you for your order",
    "=SUM(ads)": "Back in stock",
    "  padded name  ": "Loyalty tier reached",
    "مرحبا بك, welcome": "Newsletter sign-up",
    "Tab\there": "Birthday",
    "Plain welcome": "Welcome",
    "50% off; today | only": "Price drop",
    # their steps
    "Mail 2: thanks 🎉": "Mail 2: thanks",
    "Wait, one\nmore day": "Wait one more day",
    "SMS\tnudge": "SMS nudge",
    "=Cart reminder": "Cart reminder",
    "  Is it a big spender?  ": "Is it a big spender?",
    "We miss you, שלום": "We miss you",
    # subjects and senders of e-mails
    "Hello, you": "Good to have you here",
    'The "big" sale; 50% off': "Half price until Sunday",
    "Two lines,\nreally": "You left something behind",
    "  padded  ": "Your points are waiting",
    "=1+1": "Two for the price of one",
    'Shop, "the" news': "Shop news",
    "Ängby & Söner": "Shop service",
    # advertisements and pages
    'Autumn, "early"': "Early autumn",
    "Låt oss gå 🥾": "Boots for everyone",
    "Black\nFriday": "Black Friday",
    "50% {off} \\ today": "Half price today",
    "عرض الشتاء": "Winter jackets",
    "/jackets/åre": "/jackets/alpine",
    '/sale?tag="last"': "/sale?tag=last",
}


def named(name: str, names: Naming) -> str:
    """A name as a world has it."""
    return _PLAUSIBLE.get(name, name) if names == "plausible" else name


def repeated(name: str, number: int, names: Naming) -> str:
    """The name of a journey that is like another one: of the shop's next market, or numbered."""
    if names == "plausible" and number < len(_MARKETS):
        return f"{named(name, names)}{_MARKETS[number]}"
    return f"{named(name, names)} {number + 1}" if number else named(name, names)
