"""What goes wrong in a step, in the words of journey history.

`Result.Messages` are entries joined by `|`, each `Type:..;Level:..;ErrorCode:..;Message:..;Parameters:[k=v;k=v]`, as
seen in public samples; messages hold colons, dots and commas, and parameters can hold personal data. Not here: how
often a step fails (`plans.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

CONTACT = "{contact}"  # stands for the contact's key; everything else is literal


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a step failed.

    Attributes:
        message: Free text.
        messages: Entries in the vendor's grammar.
    """

    message: str
    messages: str


def entry(level: str, code: str, message: str, **parameters: str) -> str:
    """One entry of `Result.Messages`."""
    listed = ";".join(f"{name}={value}" for name, value in parameters.items())
    return f"Type:User;Level:{level};ErrorCode:JourneyBuilder_{code};Message:{message};Parameters:[{listed}]"


_HELD = Failure(
    "The address was held back.",
    entry("Error", "EMAILV2_24", "Address was held back: List Detective.", errorCodeID="24", subscriberKey=CONTACT),
)
_NOBODY = Failure(
    'Nobody to send to,\nsee "list"; next: retry',
    entry("Warning", "EMAILV2_180008", "No valid subscriber, 1 of 1: skipped.", errorCodeID="180008", list="A, B")
    + "|"
    + entry("Information", "EMAILV2_1", "Tried: 3 times; gave up.", attempts="3"),
)
_MALFORMED = Failure(
    "",
    entry("Warning", "EMAILV2_7", "Domain was slow.", wait="30")
    + "|"
    + entry("Error", "EMAILV2_5", 'Malformed address: "@" is missing, see log.', subscriberKey=CONTACT, errorCodeID="5")
    + "|"
    + entry("Information", "EMAILV2_2", "Passed on.", queue="b"),
)
_KNOWN = {"emailv2": (_HELD, _NOBODY, _MALFORMED)}


def failures(activity_type: str) -> tuple[Failure, ...]:
    """What can go wrong in a step of a type, each as likely as the others."""
    code = activity_type.upper().removesuffix("ACTIVITY")
    text = f"Step failed, the service answered: 500. Contact {CONTACT} stays out."
    return _KNOWN.get(activity_type, (Failure("Step failed, see messages", entry("Error", f"{code}_500", text)),))
