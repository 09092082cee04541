"""A glance at an events file that holds nothing of a person: counts by journey and action.

Not here: queries of the warehouse (`warehouse/query.py`).
"""

from __future__ import annotations

import duckdb

from journey_pipeline.lake.layout import Lake
from journey_pipeline.model import StreamKey


def preview(lake: Lake, key: StreamKey, partition: str, rows: int = 8) -> list[dict[str, str | int]]:
    """The commonest combinations of journey, channel and action in a partition's events.

    Args:
        lake: Where the file lies.
        key: Its stream.
        partition: Its partition.
        rows: How many combinations at most.

    Returns:
        Rows of `journey_name`, `channel`, `action` and `events`, the commonest first.
    """
    statement = """
        select coalesce(journey_name, '') as journey_name, channel, action, count(*) as events
        from read_parquet(?)
        group by all
        order by events desc, journey_name, channel, action
        limit ?
    """
    names = ("journey_name", "channel", "action", "events")
    with duckdb.connect(config={"threads": 1}) as session:
        found = session.execute(statement, [str(lake.events_file(key, partition)), rows]).fetchall()
    return [dict(zip(names, row, strict=True)) for row in found]
