"""Dagster's partition keys and our windows: the same thing, in two spellings.

Not here: names of partitions in paths and tables (`model.py`).
"""

from datetime import datetime

import dagster as dg

from journey_pipeline.model import Granularity, Window, floor
from journey_pipeline.vendors.source import Stream

# How Dagster tags a run over a range of partitions.
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"


def partitions_definition(stream: Stream) -> dg.TimeWindowPartitionsDefinition:
    """Hours or days in UTC from the stream's fixed start, whole ones only."""
    if stream.granularity is Granularity.HOUR:
        return dg.HourlyPartitionsDefinition(start_date=stream.start, timezone="UTC")
    return dg.DailyPartitionsDefinition(start_date=stream.start, timezone="UTC")


def window_of(definition: dg.TimeWindowPartitionsDefinition, key: str) -> Window:
    """The window of one of Dagster's partition keys."""
    window = definition.time_window_for_partition_key(key)
    return Window(window.start, window.end)


def key_of(definition: dg.TimeWindowPartitionsDefinition, window: Window) -> str:
    """Dagster's key of a window."""
    return window.start.strftime(definition.fmt)


def last_whole(stream: Stream, at: datetime) -> Window:
    """The newest partition whose window has ended."""
    end = floor(at, stream.granularity)
    return Window(end - stream.granularity.duration, end)
