"""Attributes of people out of columns that repeat them on every record: reduced to a row a person, then made rows.

Not here: attributes that a vendor's own reader reads (`record_reader.py`), their history (`warehouse/`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from journey_pipeline.model import ATTRIBUTE_COLUMNS
from journey_pipeline.normalize.landed_file import IrregularError, Source
from journey_pipeline.normalize.relation import landing_schema
from journey_pipeline.normalize.session import NormalizeLimits, Session
from journey_pipeline.normalize.staging import copy_batches
from journey_pipeline.recipe import AttributeColumns, Recipe
from journey_pipeline.sql import identifier, literal

_ALL_OTHERS = ".*"


def recipe_of_attributes(recipe: Recipe, attributes: AttributeColumns) -> Recipe:
    """A recipe by which a stream's files are read for attributes alone: the person, and `properties` of attributes."""
    return Recipe(
        stream=recipe.stream,
        sql="",
        columns=(attributes.person,),
        key_columns=(attributes.person,),
        property_groups={"": attributes.pattern},
        elsewhere=_ALL_OTHERS,
        last_of=attributes.person,
        format=recipe.format,
        named=recipe.named,
        of_people=recipe.of_people,
    )


def write_attribute_columns(
    session: Session,
    attributes: AttributeColumns,
    sources: Sequence[Source],
    to: Path,
    *,
    answers: Sequence[Mapping[str, Any]],
) -> int:
    """Writes the attributes of an answer, in the order of their key.

    Args:
        sources: Its files, opened by `recipe_of_attributes`.
        answers: What else the vendor answered, the newest first.

    Returns:
        The rows written.
    """
    if not sources:
        return 0
    staged = to.with_suffix(".staged.parquet")
    person, schema = identifier(attributes.person), landing_schema(sources[0].recipe, with_raw=False)
    people = f"select {person} as person, properties from landing where {person} is not null"
    while True:
        try:
            rows = copy_batches(session, _last_of_each(sources, session.limits), schema, people, staged)
        except IrregularError:
            continue  # the source knows now how to be read
        return session.copy(_rows_of(attributes, answers, staged), to) if rows else 0


def _last_of_each(sources: Sequence[Source], limits: NormalizeLimits) -> Iterator[pa.RecordBatch]:
    """Of each batch the last record of each person: most have all of theirs in one."""
    for source in sources:
        for batch in source.good(limits):
            codes = batch.column(0).dictionary_encode().indices.fill_null(-1).to_numpy()
            _, from_end = np.unique(codes[::-1], return_index=True)
            yield batch.take(np.sort(len(codes) - 1 - from_end))


def with_addresses(session: Session, events: Path, attributes: Path) -> Path:
    """Events with the e-mail addresses that an answer's attributes have of their people; all events stay."""
    joined = events.with_suffix(".joined.parquet")
    session.copy(
        f"""
        select events.* replace (coalesce(events.email, lower(told.value)) as email)
        from read_parquet({literal(str(events))}) as events
        left join (
            select profile_key, max(value) as value
            from read_parquet({literal(str(attributes))})
            where attribute_id = 'email'
            group by profile_key
        ) as told on told.profile_key = events.contact_id
        """,
        joined,
    )
    return joined


def attribute_columns(names: Mapping[str, str], masked: Sequence[str]) -> str:
    """The columns of attributes, out of a relation of `person` and `entry`, a key with its value.

    Args:
        names: The attributes' names for people, by id.
        masked: Attributes of which a value with `*` in it counts as none.
    """
    entries = ", ".join(f"{literal(key)}: {literal(name)}" for key, name in names.items())
    given = {
        "section_id": "null",
        "profile_key": "person",
        "attribute_id": "entry.key",
        "attribute": "entry.key",
        "attribute_name": f"map {{{entries}}}[entry.key]" if entries else "null",
        "value": f"case when not ({is_masked(masked)}) then entry.value end",
        "is_tag": "false",
    }
    return ",\n".join(f"({given[column.name]})::{column.type} as {column.name}" for column in ATTRIBUTE_COLUMNS)


def is_masked(masked: Sequence[str]) -> str:
    """The condition that the value of `entry` is hidden."""
    hidden = ", ".join(map(literal, masked)) or "''"
    return f"entry.key in ({hidden}) and contains(coalesce(entry.value, ''), '*')"


def _rows_of(attributes: AttributeColumns, answers: Sequence[Mapping[str, Any]], staged: Path) -> str:
    records = f"read_parquet({literal(str(staged))}, file_row_number = true)"
    return f"""
        select {attribute_columns(attributes.names(answers), attributes.masked)}
        from (
            select person, unnest(map_entries(properties::json::map(varchar, varchar))) as entry
            from {records}
            where file_row_number in (select max(file_row_number) from {records} group by person)
        )
        order by profile_key, attribute_id
    """
