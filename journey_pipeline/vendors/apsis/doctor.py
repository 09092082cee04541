"""A look at a connection for a person who sets it up: what the account has defined, and whether its routes answer.

It never sends an order. Not here: the routes (`client.py`), the orders' bodies (`orders.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from journey_pipeline.errors import VendorError
from journey_pipeline.model import Granularity, Window, floor
from journey_pipeline.vendors.apsis.client import PROFILE_EXPORTS
from journey_pipeline.vendors.apsis.orders import Account, email_body, profile_body, request_of
from journey_pipeline.vendors.source import Plan

_NOBODYS = "journey-pipeline-doctor"  # no id that the vendor gives
_UNKNOWN = frozenset({404, 410})
_REFUSED = frozenset({400, 401, 403})


def check(account: Account, now: datetime) -> dict[str, str]:
    """Asks for the definitions, and asks each route of exports for one that does not exist; gives what came, by name.

    An order would be made and take one of the few places of exports under way: none is sent.

    Raises:
        VendorError: If the credentials are refused, or the definitions can't be had.
        ConfigError: If something is selected that the account does not have.
    """
    profiles, emails = account.profile_sections(), account.email_sections()
    types = sum(len(section.event_types) for section in profiles)
    end = floor(now, Granularity.HOUR)
    window = Window(end - timedelta(hours=1), end)
    client, segments = account.client, account.selection.segments
    profile_body(Plan(window, request_of(profiles, segments)), account.names)  # refuses what can't be ordered
    email_body(Plan(window, request_of(emails[:1], segments)), account.names)
    return {
        "definitions": f"{len(profiles)} sections, {types} event types in them",
        "profile_events": _told(lambda: client.profile_status(f"{PROFILE_EXPORTS}/{_NOBODYS}").status),
        "email_events": _told(lambda: client.email_report(_NOBODYS, is_poll=True) and 200),
    }


def _told(ask: Callable[[], int]) -> str:
    try:
        status = ask()
    except VendorError as error:
        if error.status in _REFUSED:
            raise
        if error.status not in _UNKNOWN:
            return f"does not answer as documented ({error.status or 'no answer'}): {error}"
        status = error.status
    return f"the route answers ({status} for an export that does not exist); nothing was ordered"
