"""The dimensions that the account's lists give: its e-mails as journeys and steps, and what version ids stand for.

What the vendor no longer lists keeps its last known name (`lake/dimensions.py`). Not here: the routes (`client.py`).
"""

from __future__ import annotations

from importlib.resources import files

from journey_pipeline.model import DimensionRecipe

_FOLDER = files("journey_pipeline.vendors.apsis")


def _recipe(name: str, *key: str) -> DimensionRecipe:
    return DimensionRecipe(name, (_FOLDER / f"{name}.sql").read_text(encoding="utf-8"), key)


JOURNEYS = _recipe("journeys", "journey_id")
ACTIVITIES = _recipe("activities", "activity_id")
SECTIONS = _recipe("sections", "section_id")
EVENT_TYPES = _recipe("event_types", "section", "type_id")
PROFILE_FIELDS = _recipe("profile_fields", "section", "attribute_id")
TOPICS = _recipe("topics", "section", "topic")
SEGMENTS = _recipe("segments", "segment")
ALL = (JOURNEYS, ACTIVITIES, SECTIONS, EVENT_TYPES, PROFILE_FIELDS, TOPICS, SEGMENTS)
