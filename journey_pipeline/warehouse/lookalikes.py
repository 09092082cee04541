"""Events that a vendor without event ids may have restated: the same person, time and action, with different content.

Both are kept, since nothing tells a corrected record from two things that happened at once; a person can look at them.
Not here: who asks for the number (`cli/status.py`).
"""

from __future__ import annotations

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


def count_lookalikes(lake: Lake, stream: StreamKey, *, memory: str = "1GB", threads: int = 2) -> int | None:
    """How many published events of a stream share person, time and action with one of other content.

    Returns:
        The number, or None if nothing is published yet.

    Raises:
        WarehouseError: If the published file can't be read.
    """
    file = published_file(lake)
    if not file.exists():
        return None
    try:
        with reading(lake, file, memory, threads) as session:
            which = {"connection": stream.connection, "stream": stream.stream}
            ((events,),) = session.execute(_SQL, which).fetchall()
    except duckdb.Error as error:
        raise WarehouseError(f"counting lookalikes of {stream} failed: {describe(error)}.") from error
    return int(events)
