"""What the published file says of each stream: its events and last load, and events that may be one thing told twice.

Not here: which partitions are missing, which the lake alone says (`loading/plan.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from journey_pipeline.lake.layout import Lake
from journey_pipeline.model import StreamKey
from journey_pipeline.warehouse.connection import naming_failures, published_file, reading

_REPLACE = "run `journey-pipeline publish` to replace it"
_FIGURES = """
with loaded as (
    select connection, stream, sum(events)::bigint as events, max(landed_at) as landed_at
    from ops.partitions
    group by all
),

waiting as (
    select connection, stream, count(*) as exports
    from ops.exports
    where state = 'stopped'
        or reason in ('overdue', 'expired')
    group by all
)
select
    loaded.connection || '/' || loaded.stream,
    events,
    landed_at,
    coalesce(exports, 0)
from loaded
left join waiting using (connection, stream)
"""


@dataclass(frozen=True, slots=True)
class StreamFigures:
    """A stream as the last publish left it.

    Attributes:
        events: Its events.
        landed_at: When its newest answer was complete.
        exports_for_a_person: Its exports that need a person.
    """

    events: int
    landed_at: datetime
    exports_for_a_person: int


def stream_figures(lake: Lake) -> Mapping[str, StreamFigures]:
    """The figures of each stream, by `connection/stream`; none if nothing is published yet.

    Raises:
        WarehouseError: If the published file can't be read.
    """
    file = published_file(lake)
    if not file.exists():
        return {}
    with naming_failures(f"reading {file.name}", _REPLACE), reading(lake, file, threads=1) as session:
        return {name: StreamFigures(*figures) for name, *figures in session.execute(_FIGURES).fetchall()}


_RESTATED = """
select coalesce(sum(events), 0)::bigint
from (
    select count(*) as events
    from core.journey_events
    where connection = $connection
        and stream = $stream
    group by contact_id, occurred_at, vendor_action
    having count(distinct hash(journey_id, journey_name, activity_id, activity_name, channel, properties)) > 1
)
"""
_OF_SEVERAL_PEOPLE = """
with alike as (
    select contact_id, occurred_at, vendor_action, properties ->> '$.visitor_id' as visitor_id
    from core.journey_events
    where connection = $connection
        and stream = $stream
    window together as (partition by occurred_at, vendor_action)
    qualify min(contact_id) over together <> max(contact_id) over together
)
select coalesce(sum(events), 0)::bigint
from (
    select count(*) as events
    from alike
    where visitor_id is not null
    group by visitor_id, occurred_at, vendor_action
    having count(distinct contact_id) > 1
)
"""


LOOKALIKES = {"lookalikes": _RESTATED, "of_several_people": _OF_SEVERAL_PEOPLE}
"""Kinds of published events that may be one thing told twice, and the question that counts them.

`lookalikes` share person, time and action with one of other content; `of_several_people` share visitor, time and action
with one of another person.
"""


def count_lookalikes(lake: Lake, stream: StreamKey, kinds: Sequence[str]) -> dict[str, int]:
    """Counts events of a stream that may be one thing told twice.

    Args:
        kinds: Which of `LOOKALIKES`.

    Returns:
        The number of each kind; nothing if nothing is published yet.

    Raises:
        WarehouseError: If the published file can't be read.
    """
    file = published_file(lake)
    if not (kinds and file.exists()):
        return {}
    with naming_failures(f"counting lookalikes of {stream} in {file.name}", _REPLACE), reading(lake, file) as session:
        which = {"connection": stream.connection, "stream": stream.stream}
        counted = {kind: session.execute(LOOKALIKES[kind], which).fetchall() for kind in kinds}
    return {kind: int(count) for kind, ((count,),) in counted.items()}
