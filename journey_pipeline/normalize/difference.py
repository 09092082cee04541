"""Which events new rules would add, change or drop: finished files of a partition held against those in place.

Samples hold no person's data. Not here: making the files (`run.py`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import EventsManifest
from journey_pipeline.model import EVENT_COLUMNS
from journey_pipeline.normalize.run import Finished
from journey_pipeline.normalize.session import Session
from journey_pipeline.sql import literal

MOST_SAMPLES = 3
OF_PERSONS = ("contact_id", "email", "enrolment_id", "reason", "properties")
"""Columns that hold a person's data, or may: only their changes are counted."""
_COMPARED = [c for c in EVENT_COLUMNS if c.name not in {"event_key", "landing_file", "landing_row"}]
_BOTH = "before join after using (event_key)"
_KIND = "concat_ws(' ', channel, action)"
Samples = Counter[tuple[str | None, str | None]]


@dataclass(slots=True)
class Difference:
    """What would change; of several partitions it is added up.

    Attributes:
        events: How many events there are, and would be.
        rejects: Likewise.
        added: Events that would be new, by channel and action.
        gone: Events that would no longer be there, likewise.
        changed: Events that would have another value in some column.
        columns: Of them, how many in each column, and for each field of `properties`.
        samples: Values before and after, of columns without a person's data.
    """

    events: tuple[int, int] = (0, 0)
    rejects: tuple[int, int] = (0, 0)
    added: Counter[str] = field(default_factory=Counter)
    gone: Counter[str] = field(default_factory=Counter)
    changed: int = 0
    columns: Counter[str] = field(default_factory=Counter)
    samples: defaultdict[str, Samples] = field(default_factory=lambda: defaultdict(Counter))

    def add(self, other: Difference) -> None:
        """Adds that of another partition."""
        self.events = (self.events[0] + other.events[0], self.events[1] + other.events[1])
        self.rejects = (self.rejects[0] + other.rejects[0], self.rejects[1] + other.rejects[1])
        self.added.update(other.added)
        self.gone.update(other.gone)
        self.changed += other.changed
        self.columns.update(other.columns)
        for column, samples in other.samples.items():
            self.samples[column].update(samples)


def difference(lake: Lake, done: Finished) -> Difference:
    """What the files would change of those in place; all events are new where none are."""
    opened, manifest = done.opened, done.manifest
    place = lake.events_file(manifest.key, manifest.partition)
    earlier = EventsManifest.read(lake.events_manifest(manifest.key, manifest.partition)) if place.exists() else None
    for name, select in (("before", _columns(opened, place, done.events)), ("after", _from(done.events))):
        opened.connection.execute(f"create or replace temp view {name} as {select}")
    found = Difference(
        events=(opened.count("select count(*) from before"), opened.count("select count(*) from after")),
        rejects=(_rejects(earlier), _rejects(manifest)),
        added=_of_kinds(opened, "after", "before"),
        gone=_of_kinds(opened, "before", "after"),
    )
    names = [column.name for column in _COMPARED]
    counts = (f"count(*) filter ({which})" for which in (" or ".join(map(_differs, names)), *map(_differs, names)))
    found.changed, *changes = opened.one(f"select {', '.join(counts)} from {_BOTH}")
    found.columns.update({name: count for name, count in zip(names, changes, strict=True) if count})
    for name in [name for name in found.columns if name not in OF_PERSONS]:
        found.samples[name].update(dict(_samples(opened, name)))
    if found.columns["properties"]:
        found.columns.update(_fields(opened))
    return found


def _from(file: Path) -> str:
    return f"select * from read_parquet({literal(str(file))}, hive_partitioning = false)"


def _columns(opened: Session, place: Path, new: Path) -> str:
    """The events in place; an earlier version's lack columns, and there may be none."""
    if not place.exists():
        return f"{_from(new)} where false"
    known = {name for name, *_ in opened.connection.execute(f"describe {_from(place)}").fetchall()}
    lacking = [f"null::{c.file_type} as {c.name}" for c in EVENT_COLUMNS if c.name not in known]
    return f"select *, {', '.join(lacking)} from ({_from(place)})" if lacking else _from(place)


def _rejects(manifest: EventsManifest | None) -> int:
    return manifest.rejects.rows if manifest and manifest.rejects else 0


def _of_kinds(opened: Session, there: str, lacking: str) -> Counter[str]:
    """The events of one side that the other lacks."""
    sql = f"select {_KIND}, count(*) from {there} anti join {lacking} using (event_key) group by all"
    return Counter(dict(opened.connection.execute(sql).fetchall()))


def _differs(name: str) -> str:
    return f"before.{name} is distinct from after.{name}"


def _samples(opened: Session, name: str) -> Iterator[tuple[tuple[str | None, str | None], int]]:
    """The most frequent changes of a column. A key or address of the person is `*` in them."""
    without_address = "regexp_replace({0}.{1}::varchar, '\\S+@\\S+', '*', 'g')"
    shown = (f"masked({without_address.format(side, name)}, {side}.contact_id)" for side in ("before", "after"))
    sql = (
        f"select {', '.join(shown)}, count(*) as events from {_BOTH} "
        f"where {_differs(name)} group by all order by events desc, 1, 2 limit {MOST_SAMPLES}"
    )
    for before, after, events in opened.connection.execute(sql).fetchall():
        yield (before, after), events


def _fields(opened: Session) -> dict[str, int]:
    """Of events whose properties change, in how many each field does."""
    sql = f"""
        with changed as (
            select before.properties::json as before, after.properties::json as after
            from {_BOTH}
            where {_differs("properties")}
        ),
        fields as (
            select
                before,
                after,
                unnest(list_distinct(coalesce(json_keys(before), []) || coalesce(json_keys(after), []))) as field
            from changed
        )
        select concat('properties.', field), count(*)
        from fields
        where (before -> field) is distinct from (after -> field)
        group by all
    """
    return dict(opened.connection.execute(sql).fetchall())
