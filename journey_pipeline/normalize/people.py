"""Records that tell of people and of no event: their attributes, and whom a file names as people of a journey.

Not here: attributes beside events (`attribute_columns.py`, `record_reader.py`), their history (`warehouse/`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from journey_pipeline.lake.manifest import Attempt
from journey_pipeline.model import POPULATION_COLUMNS, iso
from journey_pipeline.normalize.attribute_columns import attribute_columns, is_masked
from journey_pipeline.normalize.session import Session
from journey_pipeline.recipe import People, Population
from journey_pipeline.sql import literal


@dataclass(frozen=True, slots=True)
class Told:
    """What records said of people, in finished files that are not in place yet.

    Attributes:
        exported_at: When the newest of their files was exported.
        rows: Those of the attributes.
        members: Those of the populations.
        masked: Values that are hidden.
    """

    exported_at: datetime | None = None
    people: int = 0
    attributes: Path | None = None
    rows: int = 0
    populations: Path | None = None
    members: int = 0
    masked: int = 0


NO_PEOPLE = Told()


def write_people(
    session: Session,
    people: People,
    staged: Path,
    attempts: Sequence[Attempt],
    events: Path,
    *,
    answers: Sequence[Mapping[str, Any]],
    rows: int,
) -> Told:
    """Writes what staged records say of people, and an events file without events.

    Args:
        staged: The records, with the canonical columns.
        attempts: Whose records they are.
        events: Where that events file goes.
        answers: What else the vendor answered, the newest first.
        rows: How many records there are.
    """
    session.copy(f"select * from read_parquet({literal(str(staged))}) limit 0", events)
    populations = {one.attempt: people.population(one.answers) for one in attempts}
    told = _told(staged, populations)
    attributes, members = (events.with_name(f"{name}.parquet") for name in ("attributes", "populations"))
    attribute_rows = session.copy(
        f"""
        select {attribute_columns(people.names(answers), people.masked)}
        from (
            select person, unnest(list_sort({_ENTRIES})) as entry
            from ({_newest(told)} order by person)
        )
        """,
        attributes,
    )
    columns = ",\n".join(f"{column.name}::{column.type} as {column.name}" for column in POPULATION_COLUMNS)
    member_rows = session.copy(
        f"""
        select distinct {columns}
        from (select *, contact_id as profile_key from {told})
        where coalesce(journey_id, population) is not null
        order by landing_file, profile_key
        """,
        members,
    )
    return Told(
        exported_at=max(one.exported_at for one in populations.values()),
        people=rows,
        attributes=attributes if attribute_rows else None,
        rows=attribute_rows,
        populations=members if member_rows else None,
        members=member_rows,
        masked=session.count(
            f"select count(*) from (select unnest({_ENTRIES}) as entry from {told} where contains(properties, '*')) "
            f"where {is_masked(people.masked)}"
        ),
    )


_ENTRIES = "map_entries(properties::json::map(varchar, varchar))"


def _newest(told: str) -> str:
    """Each person with the newest value of each attribute. Most people are there once, and need no comparison."""
    return f"""
        select contact_id as person, properties
        from {told}
        anti join ({_REPEATED.format(told=told)}) using (contact_id)
        union all
        select contact_id, json_group_object(entry.key, entry.value)::varchar
        from (
            select *
            from (
                select *, unnest({_ENTRIES}) as entry
                from {told}
                semi join ({_REPEATED.format(told=told)}) using (contact_id)
            )
            qualify row_number() over (
                partition by contact_id, entry.key order by exported_at desc, landing_file desc, landing_row desc
            ) = 1
        )
        group by contact_id
    """


_REPEATED = "select contact_id from {told} group by contact_id having count(*) > 1"


def _told(staged: Path, populations: Mapping[str, Population]) -> str:
    """The staged records, each with what all of its file have in common."""
    files = ", ".join(f"({', '.join(_value(value) for value in (name, *of))})" for name, of in populations.items())
    own = ", ".join(Population._fields)
    return f"""(
        select
            records.contact_id,
            records.properties,
            records.landing_file,
            records.landing_row,
            files.* exclude (attempt)
        from read_parquet({literal(str(staged))}) as records
        join (values {files}) as files(attempt, {own})
            on files.attempt = split_part(records.landing_file, '/', 2)
    )"""


def _value(value: str | datetime | None) -> str:
    if isinstance(value, datetime):
        return f"{literal(iso(value))}::timestamptz"
    return "null" if value is None else literal(value)
