"""Makes the history of people's values from the exports, one export after the other, as they landed.

Exports of recent days are asked for again and replaced, older ones hardly ever: the history of the older ones is kept
(*settled*), so that a sync folds in the recent ones alone. If an older one changes, everything is folded again. Not
here: loading what the exports say (`side_files.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

import duckdb

from journey_pipeline.model import ATTRIBUTE_COLUMNS, Column
from journey_pipeline.warehouse.table import Table

_EXPORT = (
    Column("connection", "VARCHAR", "The configured account."),
    Column("stream", "VARCHAR", "The kind of record."),
    Column("partition_key", "VARCHAR", "The partition's name."),
)
_FIRST = Column("first_exported_at", "TIMESTAMPTZ", "When the first export with this value landed, UTC.")
_LAST = Column("last_exported_at", "TIMESTAMPTZ", "When the last export with this value landed, UTC.")
_IS_LATEST = Column(
    "is_latest",
    "BOOLEAN",
    "Whether it is the person's latest value; true for one row of each attribute, over all its versions.",
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
    "Attributes and tags of people, with their latest and earlier values, from exports in the order of landing. "
    "Grain: one row per period during which all exports of a person had the same value. "
    "Key: connection, section_id, profile_key, attribute_id, first_exported_at.",
    (
        Column("vendor", "VARCHAR", "The vendor's short name."),
        Column("connection", "VARCHAR", "The configured account."),
        Column("section_id", "VARCHAR", "The section, see core.sections; NULL if the export names none."),
        Column("profile_key", "VARCHAR", "The person, as in contact_id of the events of the same stream."),
        Column("attribute_id", "VARCHAR", "The version id of the attribute or tag, see core.profile_fields."),
        Column(
            "attribute",
            "VARCHAR",
            "The discriminator of the attribute or tag; unknown:<attribute_id> if it has no definition, NULL if only "
            "its name is known.",
        ),
        Column("attribute_name", "VARCHAR", "Its name; NULL if unknown."),
        Column(
            "value",
            "VARCHAR",
            "Text as it is, other types as JSON. A tag is true, and false from the person's first export without it. "
            "NULL if an attribute is not set, or missing in the export.",
        ),
        Column("is_tag", "BOOLEAN", "Whether it is a tag; NULL if unknown."),
        _FIRST,
        _LAST,
        _IS_LATEST,
    ),
)
ATTRIBUTE_TABLES = (EXPORTED_ATTRIBUTES, SETTLED_EXPORTS, SETTLED_VALUES, PROFILE_ATTRIBUTES)


# Exports that landed so long before the newest one are settled. More costs every sync, less makes it likelier that an
# export is replaced that was settled: those of the last days are ordered again daily.
_UNSETTLED = timedelta(days=3)
_KEY = ("connection", "section_id", "profile_key", "attribute_id")
_PERSON = _KEY[:3]


class _Export(NamedTuple):
    """An export that says something of people; ordered by when it landed."""

    exported_at: datetime
    connection: str
    stream: str
    partition_key: str
    attributes_sha256: str


def make_history(session: duckdb.DuckDBPyConnection) -> None:
    """Makes `core.profile_attributes` of `internal.exported_attributes`; inside the caller's transaction."""
    exports = _exports(session)
    settled = [export for export in exports if export.exported_at <= exports[-1].exported_at - _UNSETTLED]
    before = _settled_before(session)
    if settled[: len(before)] != before:
        for table in (SETTLED_VALUES, SETTLED_EXPORTS):
            session.execute(f"delete from {table.name}")
        before = []
    _begin(session)
    if fresh := settled[len(before) :]:
        _fold(session, fresh)
        _keep(session, settled)
    _fold(session, exports[len(settled) :])
    _show(session)


def _exports(session: duckdb.DuckDBPyConnection) -> list[_Export]:
    rows = session.execute("""
        select
            landed_at as exported_at,
            connection,
            stream,
            partition_key,
            attributes_sha256
        from internal.files
        where attributes_sha256 is not null
    """).fetchall()
    return sorted(_Export(*row) for row in rows)


def _settled_before(session: duckdb.DuckDBPyConnection) -> list[_Export]:
    columns = ", ".join(_Export._fields)
    return sorted(_Export(*row) for row in session.execute(f"select {columns} from {SETTLED_EXPORTS.name}").fetchall())


def _begin(session: duckdb.DuckDBPyConnection) -> None:
    """Starts from what is settled: `newest` has the latest values, `ended` those before."""
    for table, condition in (("newest", "is_latest"), ("ended", "not is_latest")):
        session.execute(
            f"create or replace temp table {table} as "
            f"select * exclude (is_latest) from {SETTLED_VALUES.name} where {condition}"
        )


def _fold(session: duckdb.DuckDBPyConnection, exports: Iterable[_Export]) -> None:
    """Takes exports into `newest` and `ended`.

    An export that names a section lists all values of each person in it, so a missing value means it was removed.
    Without a section, a missing value means nothing.
    """
    same_person = " and ".join(f"newest.{name} is not distinct from persons.{name}" for name in _PERSON)
    same = " and ".join(f"newest.{name} is not distinct from told.{name}" for name in _KEY)
    for export in exports:
        session.execute(
            """
            create or replace temp table told as
            select * exclude (stream, partition_key)
            from internal.exported_attributes
            where connection = ? and stream = ? and partition_key = ?
            """,
            [export.connection, export.stream, export.partition_key],
        )
        session.execute(f"""
            create or replace temp table compared as
            select
                {", ".join(f"coalesce(told.{name}, newest.{name}) as {name}" for name in _KEY)},
                newest.value as old_value,
                newest.first_exported_at,
                newest.last_exported_at,
                told.value,
                newest.profile_key is not null as is_known,
                told.profile_key is not null or persons.profile_key is not null as is_seen,
                is_seen and (not is_known or newest.value is distinct from told.value) as is_change
            from newest
            full join told on {same}
            left join (
                select distinct {", ".join(_PERSON)}
                from told
                where section_id is not null
            ) as persons on {same_person}
        """)
        session.execute(f"""
            insert into ended by name
            select
                {", ".join(_KEY)},
                old_value as value,
                first_exported_at,
                last_exported_at
            from compared
            where is_change and is_known
        """)
        session.execute(
            f"""
            create or replace temp table newest as
            select
                {", ".join(_KEY)},
                if(is_seen, value, old_value) as value,
                if(is_change, $exported_at, first_exported_at) as first_exported_at,
                if(is_seen, $exported_at, last_exported_at) as last_exported_at
            from compared
            """,
            {"exported_at": export.exported_at},
        )


def _keep(session: duckdb.DuckDBPyConnection, settled: list[_Export]) -> None:
    """Keeps what has been folded so far for the syncs to come."""
    session.execute(f"delete from {SETTLED_VALUES.name}")
    session.execute(f"insert into {SETTLED_VALUES.name} by name {_ALL}")
    session.execute(f"delete from {SETTLED_EXPORTS.name}")
    session.executemany(
        f"insert into {SETTLED_EXPORTS.name} ({', '.join(_Export._fields)}) values (?, ?, ?, ?, ?)",
        [list(export) for export in settled],
    )


def _show(session: duckdb.DuckDBPyConnection) -> None:
    """Puts the history in place.

    An attribute is one thing to everybody: what one export knows of it holds for all; a tag is one if none denies it.
    """
    session.execute(f"delete from {PROFILE_ATTRIBUTES.name}")
    session.execute(f"""
        insert into {PROFILE_ATTRIBUTES.name} by name
        with known as (
            select
                connection,
                attribute_id,
                max({{'at': exported_at, 'is': attribute}}) filter (attribute is not null) as latest,
                max({{'at': exported_at, 'is': attribute_name}}) filter (attribute_name is not null) as latest_name,
                bool_and(is_tag) as is_tag
            from (
                select
                    attributes.*,
                    landed_at as exported_at
                from internal.exported_attributes as attributes
                join internal.files using (connection, stream, partition_key)
            )
            group by all
        ),
        accounts as (
            select
                connection,
                any_value(manifest ->> 'vendor') as vendor
            from internal.files
            group by all
        )
        select
            periods.* exclude (value),
            accounts.vendor,
            coalesce(
                known.latest.is, if(known.latest_name.is is null, concat('unknown:', attribute_id), null)
            ) as attribute,
            known.latest_name.is as attribute_name,
            known.is_tag,
            if(known.is_tag, coalesce(periods.value, 'false'), periods.value) as value
        from ({_ALL}) as periods
        join known using (connection, attribute_id)
        join accounts using (connection)
    """)
    _end_old_versions(session)


def _end_old_versions(session: duckdb.DuckDBPyConnection) -> None:
    """Leaves one latest value of each attribute, where several version ids stand for it: of the id told of last."""
    session.execute(f"""
        update {PROFILE_ATTRIBUTES.name}
        set is_latest = false
        where rowid in (
            select latest.rowid
            from {PROFILE_ATTRIBUTES.name} as latest
            join (
                select
                    connection,
                    attribute
                from {PROFILE_ATTRIBUTES.name}
                group by all
                having count(distinct attribute_id) > 1
            ) as changed using (connection, attribute)
            where latest.is_latest
            qualify row_number() over (
                partition by latest.connection, latest.section_id, latest.profile_key, latest.attribute
                order by
                    latest.last_exported_at desc,
                    coalesce(latest.value is null or latest.is_tag and latest.value = 'false', false),
                    latest.first_exported_at desc,
                    latest.attribute_id
            ) > 1
        )
    """)


_ALL = """
    select
        *,
        true as is_latest
    from newest
    union all
    select
        *,
        false as is_latest
    from ended
"""
