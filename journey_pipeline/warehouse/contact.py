"""One person's events as a vendor tells them now, beside what the published warehouse has of them.

Not here: asking the vendor (`loading/contact.py`), showing the timeline (`cli/contact.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from journey_pipeline.lake.layout import Lake
from journey_pipeline.model import StreamKey, iso
from journey_pipeline.sql import literal
from journey_pipeline.warehouse.connection import naming_failures
from journey_pipeline.warehouse.questions import opened_published

_SQL = """
with told as (
    select * replace (event_key::uuid as event_key)
    from read_parquet({file}, hive_partitioning = false)
),
known as (
    select *
    from core.journey_events
    where connection = $connection
        and stream = $stream
        and (email = lower($email) or contact_id in (select contact_id from told))
        and occurred_at >= $since::timestamptz
),
both_sides as (
    select
        event_key,
        told.event_key is not null as is_told,
        known.event_key is not null as is_known,
        coalesce(told.occurred_at, known.occurred_at) as occurred_at,
        coalesce(told.channel, known.channel) as channel,
        coalesce(told.action, known.action) as action,
        coalesce(told.journey_name, known.journey_name) as journey_name,
        coalesce(told.activity_name, known.activity_name) as activity_name
    from told
    full join known using (event_key)
)
select * exclude (event_key)
from both_sides
order by occurred_at, event_key
"""
_LOADED_SQL = """
select
    min(window_start),
    max(landed_at)
from ops.partitions
where connection = $connection
    and stream = $stream
"""


@dataclass(frozen=True, slots=True)
class TimelineEvent:
    """One event of a person, with columns of core.journey_events.

    Attributes:
        is_told: Whether the vendor tells of it now.
        is_known: Whether the warehouse has it.
    """

    is_told: bool
    is_known: bool
    occurred_at: datetime
    channel: str
    action: str
    journey_name: str | None
    activity_name: str | None


@dataclass(frozen=True, slots=True)
class Timeline:
    """A person's events from both sides; the same event on both sides is one.

    Attributes:
        events: Oldest first.
        loaded_from: Where the first partition that the warehouse has of the stream starts; None if it has none.
        loaded_at: When its newest answer landed; None if it has none.
    """

    events: Sequence[TimelineEvent]
    loaded_from: datetime | None
    loaded_at: datetime | None

    def is_loaded(self, at: datetime) -> bool:
        """Whether what happened then was asked for, so that the warehouse should have it."""
        return self.loaded_from is not None and self.loaded_at is not None and self.loaded_from <= at <= self.loaded_at


def compare_person(lake: Lake, stream: StreamKey, *, email: str, told: Path, since: datetime) -> Timeline:
    """A person's events as a vendor tells them, beside what is published.

    Args:
        email: The person's address, in any case.
        since: How far back the vendor's answer goes; earlier events of the warehouse are left out.

    Raises:
        ConfigError: If nothing is published yet.
        WarehouseError: If the files can't be read.
    """
    which = {"connection": stream.connection, "stream": stream.stream}
    whom = {**which, "email": email, "since": iso(since)}
    attempt = "comparing a person with the published file"
    with naming_failures(attempt, "run `journey-pipeline publish` to replace it"), opened_published(lake) as session:
        rows = session.execute(_SQL.format(file=literal(str(told))), whom).fetchall()
        ((loaded_from, loaded_at),) = session.execute(_LOADED_SQL, which).fetchall()
    return Timeline([TimelineEvent(*row) for row in rows], loaded_from, loaded_at)
