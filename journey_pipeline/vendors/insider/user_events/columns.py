"""The columns of a user event export and how they become events and attributes: the recipe of the stream.

Not here: what is asked for (`stream.py`), the mapping of a record (`events.sql`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from journey_pipeline.recipe import AttributeColumns, Recipe

_FOLDER = Path(__file__).parent
_PERSON = "insider_id"  # of version 2
_RULES = "1"  # raised when attributes are read another way, so that they are read anew

CONTACTS = "contacts"
"""Under which the manifest keeps the account's attributes: their names for people, by the API's."""
NEEDED_COLUMNS = ("event_name", "iid", "e_timestamp")
COLUMNS: tuple[str, ...] = (
    "a_email",
    *NEEDED_COLUMNS,
    "e_journey_id",
    "e_campaign_id",
    "e_name",
    "e_journey_campaign_name",
    "e_reason",
    "e_event_code",
    "e_is_dry_run",
    "e_channel_code",
    "e_action_code",
)


def known_names(header: Sequence[str]) -> Sequence[str]:
    """Columns of version 2, which is provisional, under their names of version 1; others as they are."""
    if _PERSON not in header:
        return header
    prefix = "a_" if tells_of_people(header) else "e_"
    fixed = {_PERSON: "iid", "event_name": "event_name"}
    return [fixed.get(name) or f"{prefix}{name.replace('custom.', 'c_', 1)}" for name in header]


def tells_of_people(header: Sequence[str]) -> bool:
    """Whether a file has people and their attributes, and no events: so version 2 has it."""
    return _PERSON in header and "event_name" not in header


def attribute_names(answers: Sequence[Mapping[str, Any]]) -> Mapping[str, str]:
    """The names that the panel shows, by the API's, as the account said; the newest answer first."""
    found = [one[CONTACTS] for one in answers if isinstance(one.get(CONTACTS), Mapping)]
    return {str(key): str(name) for names in reversed(found) for key, name in names.items()}


USER_EVENTS = Recipe(
    stream="user_events",
    sql=(_FOLDER / "events.sql").read_text(encoding="utf-8"),
    columns=COLUMNS,
    key_columns=NEEDED_COLUMNS,
    codes={name: _FOLDER / "codes" / f"{name}.csv" for name in ("actions", "channels", "kinds")},
    decoded={"vendor_action": "actions", "activity_type": "channels"},
    properties={name: name for name in ("e_event_code", "e_channel_code")},
    property_groups={"": "(e_.*)"},  # those of other events that were asked for
    elsewhere="a_.*",
    format="any",
    named=known_names,
    of_people=tells_of_people,
    turns_alternate=True,
    numbers=("journey_id", "activity_id"),
    filled={"contact_id": "iid", "vendor_action": "event_name"},
    attributes=AttributeColumns(_RULES, "iid", "a_(.*)", attribute_names, masked=("email", "phone_number")),
)
