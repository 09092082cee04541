"""How the two exports become events: their columns, SQL and code tables.

Not here: asking for them (`profile_events.py`, `email_events.py`), reading profile files (`profile_reader.py`) and
attributes (`profile_attributes.py`), running the SQL (`lake/`).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from journey_pipeline.recipe import Recipe, Twin
from journey_pipeline.vendors.apsis.profile_attributes import (
    NAMED_COLUMN,
    VERSIONED_COLUMN,
    EmailAttributes,
    ProfileAttributes,
)
from journey_pipeline.vendors.apsis.profile_reader import COLUMNS, ProfileEventReader

_FOLDER = Path(__file__).parent

PROFILE_EVENTS = Recipe(
    stream="profile_events",
    sql=(_FOLDER / "profile_events.sql").read_text(encoding="utf-8"),
    columns=COLUMNS,
    key_columns=(),  # a file of no event has none
    codes={"event_types": _FOLDER / "codes" / "event_types.csv"},
    reader=ProfileEventReader(),
    # An event whose type nobody defines has no action.
    filled={"contact_id": "profile_key", "received_at": "created_at", "vendor_action": "type_id"},
    windows_of_arrival=True,  # what the bounds of an order test is unpublished
    repeats_are_usual=True,
    # Both exports repeat the source's id (documented: D1, D2). The e-mail file names no section: none is compared.
    twin=Twin(stream="email_events", property="correlation_id", channel="email"),
    attributes=ProfileAttributes(),
)


def profile_events_recipe(longest_profile_bytes: int) -> Recipe:
    """The same, with another limit of what is held of one profile."""
    return replace(
        PROFILE_EVENTS,
        reader=ProfileEventReader(longest_bytes=longest_profile_bytes),
        attributes=ProfileAttributes(longest_bytes=longest_profile_bytes),
    )


EMAIL_COLUMNS: tuple[str, ...] = (
    "activity_id",
    "split_id",
    "activity_name",
    "split_activity_name",
    "sender",
    "subject",
    "address",
    "variation",
    "type",
    "correlation_id",
    "event_time",
    "server_time",
    "device",
    "location",
    "link_id",
    "link_url",
    "link_title",
    "bounce_code",
    "unsubscribe_topic",
    "abuse_section",
)
"""The default columns that the vendor documents (D2); their order is not promised."""

EMAIL_EVENTS = Recipe(
    stream="email_events",
    sql=(_FOLDER / "email_events.sql").read_text(encoding="utf-8"),
    columns=EMAIL_COLUMNS,
    key_columns=("type", "server_time"),
    codes={
        name: _FOLDER / "codes" / f"{name}.csv"
        for name in ("email_types", "device_classes", "bounce_codes", "bounce_reasons")
    },
    properties={
        name: name
        for name in (
            "sender",
            "subject",
            "variation",
            "correlation_id",
            "device",
            "location",
            "link_id",
            "link_url",
            "link_title",
            "bounce_code",
            "unsubscribe_topic",
            "abuse_section",
        )
    },
    property_groups={"attributes": VERSIONED_COLUMN, "attributes_by_name": NAMED_COLUMN},
    filled={
        "contact_id": "address",
        "received_at": "server_time",
        "journey_id": "activity_id",
        "vendor_action": "type",
    },
    windows_of_arrival=True,  # what the bounds of an order test is unpublished
    repeats_are_usual=True,
    attributes=EmailAttributes(),
)
