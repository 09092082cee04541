"""Every table of the warehouse: columns with types and comments, or the SELECT that makes it.

Tables that are loaded from files are written down here; tables that are made from those are one file each below
`sql/`, whose header is the comment. Not here: when they are filled (`merge.py`, `file_checks.py`, `refresh.py`).
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import duckdb

from journey_pipeline.model import EVENT_COLUMNS, EVENTS_ONLY, EXPORT_COLUMNS, POPULATION_COLUMNS, Column
from journey_pipeline.settings import storage_version
from journey_pipeline.warehouse.attributes import ATTRIBUTE_TABLES
from journey_pipeline.warehouse.codes import codes_table
from journey_pipeline.warehouse.table import SCHEMAS, Table, comment_on, create_table, note_tables, read_tables

_SEEN = (
    Column("first_seen_at", "TIMESTAMPTZ", "When first listed to us, UTC."),
    Column("last_seen_at", "TIMESTAMPTZ", "When last listed to us, UTC."),
)
_PROPERTIES = Column("listed_properties", "JSON", "Every other field that the vendor lists.")
_ACCOUNT = (
    Column("vendor", "VARCHAR", "The vendor's short name."),
    Column("connection", "VARCHAR", "The configured account."),
)
_SECTION = Column("section", "VARCHAR", "The discriminator of its section; empty for a vendor that has none.")
_DESCRIPTION = Column("description", "VARCHAR", "The vendor's description; NULL if it has none.")

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
        Column("section_id", "VARCHAR", "The section's id in files."),
        Column("section", "VARCHAR", "The section's discriminator, used in orders."),
        Column("section_name", "VARCHAR", "The section's name."),
        _PROPERTIES,
        *_SEEN,
    ),
)
_EVENT_TYPES = Table(
    "core.event_types",
    "Event types that accounts have, of APSIS each version. Key: connection, section, type_id.",
    (
        *_ACCOUNT,
        _SECTION,
        Column("type_id", "VARCHAR", "The id or name in the vendor's files."),
        Column("event_type", "VARCHAR", "The event type's discriminator, or its system name."),
        Column("event_name", "VARCHAR", "The event type's name."),
        _DESCRIPTION,
        Column("data_schema", "JSON", "The schema of its events' data, or its parameters; NULL if unpublished."),
        *_SEEN,
    ),
)
_PROFILE_FIELDS = Table(
    "core.profile_fields",
    "Attributes and tags that accounts have, of APSIS each version. Key: connection, section, attribute_id.",
    (
        *_ACCOUNT,
        _SECTION,
        Column("attribute_id", "VARCHAR", "Its id, as in core.profile_attributes."),
        Column("attribute", "VARCHAR", "The discriminator of the attribute or tag, used in orders."),
        Column("attribute_name", "VARCHAR", "Its name."),
        Column("is_tag", "BOOLEAN", "Whether it is a tag."),
        Column("value_type", "VARCHAR", "The vendor's type of its values; NULL for a tag."),
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
        Column("topic", "VARCHAR", "The topic's discriminator."),
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
        Column("segment", "VARCHAR", "The segment's discriminator."),
        Column("segment_name", "VARCHAR", "The segment's name."),
        _DESCRIPTION,
        *_SEEN,
    ),
)

_MAPPED_CONTACTS = Table(
    "internal.mapped_contacts",
    "Addresses of people as the files contacts/<connection>.csv say. Key: connection, contact_id.",
    (
        Column("connection", "VARCHAR", "The configured account."),
        Column("contact_id", "VARCHAR", "The vendor's key of the person."),
        Column("email", "VARCHAR", "The address."),
    ),
)

MAPPING = "contacts"
"""The one list that no vendor gives: a person puts it in the home, as `contacts/<connection>.csv`."""
LISTED = {
    MAPPING: _MAPPED_CONTACTS,
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
    MAPPING: ("contact_id",),
    "journeys": ("journey_id",),
    "activities": ("activity_id",),
    "sections": ("section_id",),
    "event_types": ("section", "type_id"),
    "profile_fields": ("section", "attribute_id"),
    "topics": ("section", "topic"),
    "segments": ("segment",),
}
"""What tells the rows of a connection apart."""


# Raise it when loading the same files gives other rows than before; a warehouse of another layout is made anew.
LAYOUT_VERSION = 5
SQL = Path(__file__).parent / "sql"

_KEY = (
    Column("connection", "VARCHAR", "The configured account."),
    Column("stream", "VARCHAR", "The kind of record."),
    Column("partition_key", "VARCHAR", "The partition's name."),
)
_REJECT_ONLY = (
    Column("raw", "VARCHAR", "The record as text."),
    Column("raw_base64", "VARCHAR", "The record's bytes, where they are not UTF-8; NULL where they are."),
    Column("reason", "VARCHAR", "Why it could not be read."),
)

EVENTS = Table(
    "core.journey_events",
    "Every event of every vendor, once: the deduplicated union of the lake's events files. Grain and key: event_key.",
    EVENT_COLUMNS,
)
REJECTS = Table(
    "ops.rejects",
    "Records that could not be read as events. Grain: one row per record of a landed file. "
    "Key: connection, stream, partition_key, landing_file, landing_row.",
    (*(column for column in EVENT_COLUMNS if column.name not in EVENTS_ONLY), *_REJECT_ONLY),
)
POPULATIONS = Table(
    "core.journey_populations",
    "People whom a file names as those of a journey, such as a list that was exported by hand. A list holds no events. "
    "Grain: one row per person and file. Key: landing_file, profile_key.",
    (*_KEY, *POPULATION_COLUMNS),
)
EXPORTS = Table(
    "ops.exports",
    "Exports ordered from vendors, with their states before the last sync. Grain: one row per export. Key: export_id.",
    EXPORT_COLUMNS,
)
_SHOWN = "See ops.partitions."
TOLD = {
    "events_bytes": ("BIGINT", "Its size.", "(manifest ->> '$.events.bytes')::bigint"),
    "attributes_sha256": (
        "VARCHAR",
        "Of the attributes file beside it; NULL if there is none.",
        "manifest ->> '$.attributes.sha256'",
    ),
    "covers": (
        "VARCHAR[]",
        "Later partitions that its answers hold too.",
        "from_json(manifest -> 'covers', '[\"varchar\"]')",
    ),
    "twin": (
        "JSON",
        "The stream in which marts count events of both; NULL if there is none.",
        "(manifest ->> 'twin')::json",
    ),
    "landed_at": ("TIMESTAMPTZ", _SHOWN, "(manifest ->> 'landed_at')::timestamptz"),
    "vendor": ("VARCHAR", _SHOWN, "manifest ->> 'vendor'"),
    "window_start": ("TIMESTAMPTZ", _SHOWN, "split_part(manifest ->> 'window', '/', 1)::timestamptz"),
    "window_end": ("TIMESTAMPTZ", _SHOWN, "split_part(manifest ->> 'window', '/', 2)::timestamptz"),
    "estimate": ("BIGINT", _SHOWN, "try_cast(manifest ->> 'estimate_rows' as bigint)"),
    "rejects": ("BIGINT", _SHOWN, "coalesce((manifest ->> '$.rejects.rows')::bigint, 0)"),
    **{
        name: ("BIGINT", _SHOWN, f"coalesce((manifest ->> '{name}')::bigint, 0)")
        for name in (
            *("landed", "duplicates", "withdrawn", "conflicts", "outside_window", "unaccounted"),
            *("unreadable_attempts", "kept_events", "landing_bytes", "masked", "rounded_ids"),
        )
    },
    "unknown_codes": (
        "BIGINT",
        _SHOWN,
        "coalesce(list_sum((manifest ->> '$.unknown_codes.*')::bigint[]), 0)::bigint",
    ),
    "warnings": ("VARCHAR[]", _SHOWN, "from_json(manifest -> 'warnings', '[\"varchar\"]')"),
    "attempts": ("BIGINT", _SHOWN, "json_array_length(manifest -> 'attempts')::bigint"),
    "package_version": ("VARCHAR", _SHOWN, "manifest ->> 'package_version'"),
}
"""What of a manifest has its own column in `internal.files`: type, comment and SQL. Reading all JSON takes long."""
FILES = Table(
    "internal.files",
    "The events files that are loaded. Key: connection, stream, partition_key.",
    (
        *_KEY,
        Column("manifest_sha256", "VARCHAR", "Of the manifest's bytes when it was loaded."),
        Column("manifest_signature", "VARCHAR", "Number, time and size of the file that held those bytes; or empty."),
        Column("manifest", "JSON", "The manifest."),
        Column("events_sha256", "VARCHAR", "Of the loaded file; empty if it must be loaded again."),
        *(Column(name, kind, comment) for name, (kind, comment, _) in TOLD.items()),
        Column("events", "BIGINT", "Rows of the file."),
        Column("loaded", "BIGINT", "Rows of it in core.journey_events; other files' rows stand for the rest."),
        Column("first_at", "TIMESTAMPTZ", "Its least occurred_at, UTC."),
        Column("last_at", "TIMESTAMPTZ", "Its greatest occurred_at, UTC."),
    ),
)
DIMENSION_FILES = Table(
    "internal.dimension_files",
    "The dimension files that are loaded. Key: connection, dimension.",
    (
        Column("connection", "VARCHAR", "The configured account."),
        Column("dimension", "VARCHAR", "Its name, such as journeys."),
        Column("sha256", "VARCHAR", "Of the loaded file."),
    ),
)
DRIFT_REPORTS = Table(
    "internal.drift_reports",
    "What each sweep over a stream found. Key: path.",
    (
        Column("path", "VARCHAR", "Of the report, below the home."),
        Column("report", "JSON", "The report."),
    ),
)
TABLES = Table(
    "internal.tables",
    "The tables of this file, and from which text each was made. Key: table_name.",
    (
        Column("table_name", "VARCHAR", "With its schema."),
        Column("digest", "VARCHAR", "Of its columns, its comments and its SELECT."),
    ),
)
STATE = Table(
    "internal.state",
    "What this file is. One row.",
    (
        Column("layout", "VARCHAR", "Of the tables that are loaded from files; another one means: rebuild."),
        Column("revision", "VARCHAR", "A new one with every change, to tell whether it has been published."),
    ),
)
LOADED_TABLES = (
    EVENTS,
    REJECTS,
    *ATTRIBUTE_TABLES,
    POPULATIONS,
    EXPORTS,
    FILES,
    *LISTED.values(),
    DIMENSION_FILES,
    DRIFT_REPORTS,
    TABLES,
    STATE,
)


def layout() -> str:
    """The layout that this version of the package writes, for the clients that shall read it."""
    shape = [(table.name, column.name, column.type) for table in LOADED_TABLES for column in table.columns]
    return f"{LAYOUT_VERSION}-{storage_version()}-{hashlib.sha256(repr(shape).encode()).hexdigest()[:16]}"


def made_tables() -> tuple[Table, ...]:
    """The tables that SELECTs make, in the order in which they are made."""
    return codes_table(), *read_tables(SQL)


def prepare(session: duckdb.DuckDBPyConnection) -> bool:
    """Makes the tables that are loaded from files, in a new file; brings their comments up to date in any.

    Returns:
        Whether the file has this version's layout; if not, it is as it was.
    """
    is_new = not has_table(session, STATE.name)
    session.execute("begin")  # a commit for each comment would wait for the disk each time
    if is_new:
        for schema in SCHEMAS:
            session.execute(f"create schema {schema}")
        for table in LOADED_TABLES:
            create_table(session, table)
        session.execute("insert into internal.state values (?, '')", [layout()])
    is_current = session.execute("select layout from internal.state").fetchall() == [(layout(),)]
    if is_current:
        noted = set(session.execute("select table_name, digest from internal.tables").fetchall())
        others = [table for table in LOADED_TABLES if (table.name, table.digest) not in noted]
        for table in others:
            comment_on(session, table)
        note_tables(session, others)
    session.execute("commit")
    return is_current


def read_revision(session: duckdb.DuckDBPyConnection) -> str:
    """The state of a file: another one after every change; empty if it has never been synced."""
    if not has_table(session, STATE.name):
        return ""
    return str(session.execute("select revision from internal.state").fetchall()[0][0])


def is_of_this_version(session: duckdb.DuckDBPyConnection) -> bool:
    """Whether a file has each table as this version makes it."""
    try:
        noted = set(session.execute("select table_name, digest from internal.tables").fetchall())
    except duckdb.CatalogException:
        return False
    return {(table.name, table.digest) for table in made_tables()} <= noted


def has_table(session: duckdb.DuckDBPyConnection, name: str) -> bool:
    """Whether a table is there, named with its schema; asked while no transaction is open, which a no would end.

    DuckDB's list of tables would describe each of them: ten milliseconds in a new session.
    """
    try:
        session.execute(f"from {name} limit 0")
    except duckdb.CatalogException:
        return False
    return True
