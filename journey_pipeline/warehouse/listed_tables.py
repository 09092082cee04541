"""The tables of what vendors list: their journeys and steps, and what the ids in their files stand for.

Not here: how they are loaded (`dimensions.py`), how listed and named journeys become one table (`sql/core/`).
"""

from __future__ import annotations

from journey_pipeline.model import Column
from journey_pipeline.warehouse.table import Table

_SEEN = (
    Column("first_seen_at", "TIMESTAMPTZ", "When first listed to us, UTC."),
    Column("last_seen_at", "TIMESTAMPTZ", "When last listed to us, UTC."),
)
_PROPERTIES = Column("properties", "JSON", "Every other field.")
_ACCOUNT = (
    Column("vendor", "VARCHAR", "The vendor's short name."),
    Column("connection", "VARCHAR", "The configured account."),
)
_SECTION = Column("section", "VARCHAR", "The section that it belongs to, as orders name it.")
_DESCRIPTION = Column("description", "VARCHAR", "What it is, in the vendor's words.")

_JOURNEYS = Table(
    "internal.journeys",
    "Journeys as the vendors list them. Key: connection, journey_id.",
    (
        *(
            Column(name, "VARCHAR", "See core.journeys.")
            for name in ("connection", "journey_id", "journey_root_id", "journey_key", "journey_name", "description")
        ),
        Column("version", "BIGINT", "See core.journeys."),
        *(Column(name, "VARCHAR", "See core.journeys.") for name in ("status", "definition_type", "channel")),
        *(Column(name, "TIMESTAMP", "See core.journeys.") for name in ("created_at", "modified_at", "published_at")),
        _PROPERTIES,
        *_SEEN,
    ),
)
_ACTIVITIES = Table(
    "internal.activities",
    "Steps as the vendors list them. Key: connection, activity_id.",
    (
        *(
            Column(name, "VARCHAR", "See core.activities.")
            for name in ("connection", "activity_id", "journey_id", "activity_key", "activity_name", "activity_type")
        ),
        Column("outcomes", "JSON", "See core.activities."),
        _PROPERTIES,
        *_SEEN,
    ),
)
_SECTIONS = Table(
    "core.sections",
    "Sections of accounts: the parts that profiles and their events belong to. Key: connection, section_id.",
    (
        *_ACCOUNT,
        Column("section_id", "VARCHAR", "The section as files name it."),
        Column("section", "VARCHAR", "The section as orders name it."),
        Column("section_name", "VARCHAR", "The section's name."),
        _PROPERTIES,
        *_SEEN,
    ),
)
_EVENT_TYPES = Table(
    "core.event_types",
    "Versions of the event types that accounts have defined. Key: connection, section, type_id.",
    (
        *_ACCOUNT,
        _SECTION,
        Column("type_id", "VARCHAR", "The version's id, as events carry it."),
        Column("event_type", "VARCHAR", "The event type, as activity_type of the events names it."),
        Column("event_name", "VARCHAR", "The event type's name."),
        _DESCRIPTION,
        Column("data_schema", "JSON", "The form of the data of this version's events, where the vendor says so."),
        *_SEEN,
    ),
)
_PROFILE_FIELDS = Table(
    "core.profile_fields",
    "Versions of the attributes and tags that accounts have defined. Key: connection, section, attribute_id.",
    (
        *_ACCOUNT,
        _SECTION,
        Column("attribute_id", "VARCHAR", "The version's id, as in core.profile_attributes."),
        Column("attribute", "VARCHAR", "The attribute or tag, as orders name it."),
        Column("attribute_name", "VARCHAR", "Its name."),
        Column("is_tag", "BOOLEAN", "Whether it is a tag."),
        Column("value_type", "VARCHAR", "The vendor's type of its values; NULL of a tag."),
        _DESCRIPTION,
        *_SEEN,
    ),
)
_TOPICS = Table(
    "core.topics",
    "Topics of consent that accounts have defined. Key: connection, section, topic.",
    (
        *_ACCOUNT,
        _SECTION,
        Column("topic", "VARCHAR", "The topic, as orders name it."),
        Column("topic_name", "VARCHAR", "The topic's name."),
        _DESCRIPTION,
        *_SEEN,
    ),
)
_SEGMENTS = Table(
    "core.segments",
    "Segments of profiles that accounts have defined. Key: connection, segment.",
    (
        *_ACCOUNT,
        Column("segment", "VARCHAR", "The segment, as orders name it."),
        Column("segment_name", "VARCHAR", "The segment's name."),
        _DESCRIPTION,
        *_SEEN,
    ),
)

LISTED = {
    "journeys": _JOURNEYS,
    "activities": _ACTIVITIES,
    "sections": _SECTIONS,
    "event_types": _EVENT_TYPES,
    "profile_fields": _PROFILE_FIELDS,
    "topics": _TOPICS,
    "segments": _SEGMENTS,
}
"""By the name of the dimension."""
KEYS = {
    "journeys": ("journey_id",),
    "activities": ("activity_id",),
    "sections": ("section_id",),
    "event_types": ("section", "type_id"),
    "profile_fields": ("section", "attribute_id"),
    "topics": ("section", "topic"),
    "segments": ("segment",),
}
"""What tells the rows of a connection apart."""
