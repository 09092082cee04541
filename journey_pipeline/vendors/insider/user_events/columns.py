"""The columns of a user event export and how they become events and attributes: the recipe of the stream.

Not here: what is asked for (`stream.py`), the mapping of a record (`events.sql`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from journey_pipeline.recipe import AttributeColumns, Recipe

_FOLDER = Path(__file__).parent
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
    turns_alternate=True,
    filled={"contact_id": "iid", "vendor_action": "event_name"},
    attributes=AttributeColumns(_RULES, "iid", "a_(.*)", attribute_names, masked=("email", "phone_number")),
)
