"""Attributes files made for tests, and what a plain Python program says the history of values must be.

Not here: how the real files are made (`journey_pipeline/lake/attributes.py`), the events beside them (`made_lake.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import EventsManifest, ParquetFile
from journey_pipeline.model import ATTRIBUTE_COLUMNS, StreamKey
from journey_pipeline.warehouse.connection import warehouse_file
from journey_pipeline_tests.warehouse.made_lake import MadeLake, rows_of, vouch, write_parquet


class Told(NamedTuple):
    """What an export says of one attribute of a person."""

    profile: str
    attribute: str
    value: str | None = "true"
    is_tag: bool | None = None
    section: str | None = "1234"
    discriminator: str | None = None


@dataclass(frozen=True)
class Period:
    """One row of the history."""

    section: str | None
    profile: str
    attribute: str
    value: str | None
    is_tag: bool | None
    first_at: datetime
    last_at: datetime
    is_latest: bool


@dataclass(frozen=True)
class Export:
    """A partition's attributes as they lie in the lake."""

    landed_at: datetime
    stream: StreamKey
    partition: str
    rows: tuple[Told, ...]


class MadeExports(MadeLake):
    """A made lake that remembers what its partitions say of people."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.exports: dict[tuple[StreamKey, str], Export] = {}


def put_attributes(lake: Lake, stream: StreamKey, partition: str, rows: Sequence[Told]) -> ParquetFile | None:
    """Puts a partition's attributes in place; what its manifest says of them."""
    if not rows:
        return None
    file = lake.attributes_file(stream, partition)
    values = [
        {
            "section_id": row.section,
            "profile_key": row.profile,
            "attribute_id": row.attribute,
            "attribute": row.discriminator,
            "attribute_name": f"name of {row.attribute}",
            "value": row.value,
            "is_tag": row.is_tag,
        }
        for row in rows
    ]
    write_parquet(file, ATTRIBUTE_COLUMNS, values)
    return vouch(file, len(rows))


def put_export(made: MadeLake, partition: str, landed_at: datetime, *rows: Told, stream: StreamKey) -> EventsManifest:
    """Puts a partition without events in place, with what it says of people."""
    stated = put_attributes(made.lake, stream, partition, rows)
    return made.put(partition, [], stream, attributes=stated, landed_at=landed_at)


def history(exports: Sequence[Export]) -> set[Period]:
    """What `core.profile_attributes` must hold of one connection whose attributes have one version each."""
    in_order = sorted(exports, key=lambda export: (export.landed_at, export.stream.stream, export.partition))
    is_tag: dict[str, bool] = {}
    for export in in_order:
        for row in export.rows:
            if row.is_tag is not None:
                is_tag[row.attribute] = row.is_tag and is_tag.get(row.attribute, True)
    observed: dict[tuple[str | None, str, str], list[tuple[datetime, str | None]]] = {}
    for export in in_order:
        told = {(row.section, row.profile, row.attribute): row.value for row in export.rows}
        persons = {(row.section, row.profile) for row in export.rows if row.section}
        for key in {*told, *(key for key in observed if key[:2] in persons)}:
            value = told.get(key)
            said = "false" if value is None and is_tag.get(key[2]) else value
            observed.setdefault(key, []).append((export.landed_at, said))
    return {
        Period(*key, value, is_tag.get(key[2]), first_at, last_at, is_latest)
        for key, values in observed.items()
        for value, first_at, last_at, is_latest in _periods(values)
    }


def held_history(lake: Lake, connection: str = "apsis") -> set[Period]:
    """What it does hold; fails if a row is there twice."""
    columns = "section_id, profile_key, attribute_id, value, is_tag, first_exported_at, last_exported_at, is_latest"
    rows = rows_of(
        warehouse_file(lake), f"select {columns} from core.profile_attributes where connection = '{connection}'"
    )
    assert len(set(rows)) == len(rows)
    return {Period(*row) for row in rows}


def _periods(values: list[tuple[datetime, str | None]]) -> list[tuple[Any, ...]]:
    periods: list[list[Any]] = []
    for at, value in values:
        if periods and periods[-1][0] == value:
            periods[-1][2] = at
        else:
            periods.append([value, at, at])
    return [(*period, period is periods[-1]) for period in periods]
