"""Whether a later answer repeats what an earlier one that overlaps it already had.

Not here: which answers overlap, and what it means if one lacks something (`loading/`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.session import NormalizeLimits, quoted, session
from journey_pipeline.model import StreamKey, iso


@dataclass(frozen=True, slots=True)
class Overlap:
    """Two partitions' events compared.

    Attributes:
        earlier: The partition whose answer came earlier.
        shared: Its events that the later one should have too.
        lacking: Those of them that the later one does not have.
    """

    earlier: str
    shared: int
    lacking: int


def compare_overlap(
    lake: Lake, stream: StreamKey, *, earlier: str, later: str, since: datetime, limits: NormalizeLimits
) -> Overlap:
    """Counts events of one partition from an instant on, and those of them that another one lacks.

    Args:
        lake: Where their events lie.
        stream: Whose they are.
        earlier: The partition that is looked through.
        later: The partition that should repeat it.
        since: From where on.
        limits: What the work may use.

    Raises:
        LakeError: If the files can't be read.
    """
    first, second = (quoted(str(lake.events_file(stream, partition))) for partition in (earlier, later))
    with session(lake, limits, f"comparing {stream} {later} with {earlier}") as opened:
        shared, lacking = opened.one(
            f"""
            select count(*), count(*) filter (where event_key not in (select event_key from read_parquet({second})))
            from read_parquet({first})
            where occurred_at >= {quoted(iso(since))}::timestamptz
            """
        )
    return Overlap(earlier, int(str(shared)), int(str(lacking)))
