"""Events that a vendor without event ids may have restated: with other content, or under another person after a merge.

All are kept, since nothing tells a corrected record from two things that happened at once; a person can look at them.
Not here: who asks for the number (`cli/status.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from journey_pipeline.errors import WarehouseError
from journey_pipeline.lake.layout import Lake
from journey_pipeline.model import StreamKey
from journey_pipeline.warehouse.connection import describe, published_file, reading

_SQL = """
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


@dataclass(frozen=True, slots=True)
class Lookalikes:
    """Published events of a stream that may be one thing told twice.

    Attributes:
        restated: Events that share person, time and action with one of other content.
        of_several_people: Events that share visitor, time and action with one of another person.
    """

    restated: int
    of_several_people: int


def count_lookalikes(lake: Lake, stream: StreamKey, *, memory: str = "1GB", threads: int = 2) -> Lookalikes | None:
    """Counts events of a stream that may be one thing told twice.

    Returns:
        The numbers, or None if nothing is published yet.

    Raises:
        WarehouseError: If the published file can't be read.
    """
    file = published_file(lake)
    if not file.exists():
        return None
    try:
        with reading(lake, file, memory, threads) as session:
            which = {"connection": stream.connection, "stream": stream.stream}
            ((restated,),) = session.execute(_SQL, which).fetchall()
            ((merged,),) = session.execute(_OF_SEVERAL_PEOPLE, which).fetchall()
    except duckdb.Error as error:
        raise WarehouseError(
            f"counting lookalikes of {stream} failed: {describe(error)}. `journey-pipeline publish` puts a new copy "
            "in its place."
        ) from error
    return Lookalikes(int(restated), int(merged))
