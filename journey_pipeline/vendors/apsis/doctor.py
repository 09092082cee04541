"""Looks whether an account can be used, and shows how the vendor names what nobody publishes.

Not here: what is looked at in other connections (`cli/`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from journey_pipeline.errors import VendorError
from journey_pipeline.model import Granularity, Window, floor
from journey_pipeline.transport.client import Answer
from journey_pipeline.vendors.apsis.account import Account
from journey_pipeline.vendors.apsis.orders import email_body, profile_body, request_of, told_fields
from journey_pipeline.vendors.exports import Wanted

_REFUSED = frozenset({400, 401})
_TOO_MANY = 429


def check(account: Account, now: datetime) -> dict[str, str]:
    """Asks for the definitions, and orders one hour of each export; says how the answers' fields are called.

    An export that nobody fetches costs a pending slot for a while, and nothing else.

    Args:
        account: The account.
        now: The hour before the last whole one is ordered.

    Returns:
        What came back, by name.

    Raises:
        VendorError: If the credentials are refused, or the definitions can't be had.
        ConfigError: If something is selected that the account does not have.
    """
    profiles, emails = account.profile_sections(), account.email_sections()
    types = sum(len(section.event_types) for section in profiles)
    end = floor(now, Granularity.HOUR) - timedelta(hours=1)
    window = Window(end - timedelta(hours=1), end)
    client, names = account.client, account.names
    said = {"definitions": f"{len(profiles)} sections, {types} event types in them"}
    profile_order = profile_body(Wanted(window, request_of(profiles, account.selection.segments)), names)
    email_order = email_body(Wanted(window, request_of(emails[:1], account.selection.segments)), names)
    said["profile_events"] = _told(lambda: client.order_profiles(profile_order, window=window))
    said["email_events"] = _told(lambda: client.order_emails(email_order, window=window))
    return said


def _told(order: Callable[[], Answer]) -> str:
    try:
        answer = order()
    except VendorError as error:
        if error.status in _REFUSED:
            raise
        if error.status == _TOO_MANY:
            return "can be ordered; too many exports are under way just now"
        return f"can't be ordered ({error.status or 'no answer'}): {error}"
    return f"one hour was ordered ({answer.status}); the answer's fields: {told_fields(answer.json())}"
