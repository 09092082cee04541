"""The tables of what exports say of people themselves: as loaded, and as the history of their values.

Not here: how they are filled (`beside.py`, `attributes.py`).
"""

from __future__ import annotations

from journey_pipeline.model import ATTRIBUTE_COLUMNS, Column
from journey_pipeline.warehouse.table import Table

_EXPORT = (
    Column("connection", "VARCHAR", "The configured account."),
    Column("stream", "VARCHAR", "The kind of record."),
    Column("partition_key", "VARCHAR", "The partition's name."),
)
_FIRST = Column("first_exported_at", "TIMESTAMPTZ", "When the first export landed that told of this value, UTC.")
_LAST = Column("last_exported_at", "TIMESTAMPTZ", "When the last export landed that told of this value, UTC.")
_IS_LATEST = Column(
    "is_latest", "BOOLEAN", "Whether it is the person's latest value; one row for each attribute, whatever its version."
)

EXPORTED_ATTRIBUTES = Table(
    "internal.exported_attributes",
    "What each partition's newest answer says of people themselves. "
    "Key: connection, stream, partition_key, section_id, profile_key, attribute_id.",
    (*_EXPORT, *ATTRIBUTE_COLUMNS),
)
SETTLED_EXPORTS = Table(
    "internal.settled_exports",
    "The exports that internal.settled_values is made of. Key: connection, stream, partition_key.",
    (
        *_EXPORT,
        Column("exported_at", "TIMESTAMPTZ", "When it landed, UTC."),
        Column("attributes_sha256", "VARCHAR", "Of its attributes file."),
    ),
)
SETTLED_VALUES = Table(
    "internal.settled_values",
    "The history of values as the exports tell it that are not likely to be replaced any more. "
    "Key: connection, section_id, profile_key, attribute_id, first_exported_at.",
    (
        _EXPORT[0],
        *(column for column in ATTRIBUTE_COLUMNS if column.name in {"section_id", "profile_key", "attribute_id"}),
        Column("value", "VARCHAR", "As in the export; NULL where it has none, or lacks the attribute."),
        _FIRST,
        _LAST,
        _IS_LATEST,
    ),
)
PROFILE_ATTRIBUTES = Table(
    "core.profile_attributes",
    "Attributes and tags of people as exports tell of them, in the order in which they landed: the latest value of "
    "each, and those before. Grain: one row per time during which every export of a person told the same value. "
    "Key: connection, section_id, profile_key, attribute_id, first_exported_at.",
    (
        Column("vendor", "VARCHAR", "The vendor's short name."),
        Column("connection", "VARCHAR", "The configured account."),
        Column("section_id", "VARCHAR", "The section, see core.sections; NULL where the export names none."),
        Column("profile_key", "VARCHAR", "The person, as in contact_id of the events of the same stream."),
        Column("attribute_id", "VARCHAR", "The version id of the attribute or tag, see core.profile_fields."),
        Column(
            "attribute",
            "VARCHAR",
            "The attribute or tag as orders name it; unknown:<attribute_id> where nothing tells of it, NULL where only "
            "its name is known.",
        ),
        Column("attribute_name", "VARCHAR", "Its name; NULL where nothing tells."),
        Column(
            "value",
            "VARCHAR",
            "Text as it is, anything else as JSON. A tag is true or false: false from the first export of the person "
            "on that lacks it. NULL of an attribute that is not set, or that the export lacks.",
        ),
        Column("is_tag", "BOOLEAN", "Whether it is a tag; NULL where nothing tells."),
        _FIRST,
        _LAST,
        _IS_LATEST,
    ),
)
ATTRIBUTE_TABLES = (EXPORTED_ATTRIBUTES, SETTLED_EXPORTS, SETTLED_VALUES, PROFILE_ATTRIBUTES)
