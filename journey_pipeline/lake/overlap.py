"""Whether a later answer repeats what an earlier one that overlaps it already had.

Not here: which answers overlap, and what it means if one lacks something (`loading/`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.session import NormalizeLimits, quoted, session
from journey_pipeline.model import StreamKey, iso

KNOWN_SINCE = "known_since"  # the property that says when a person became known, where a vendor says it


@dataclass(frozen=True, slots=True)
class Overlap:
    """Two partitions' events compared.

    Attributes:
        earlier: The partition whose answer came earlier.
        shared: Its events that the later one should have too.
        lacking: Those of them that the later one does not have.
        people: Whose they are, counted; without those who are known to have become known only later.
        people_lacking: Those of them of whom the later one has nothing at all.
        mapping: The field that each column of the earlier one is read from, where its reader found that out.
    """

    earlier: str
    shared: int
    lacking: int
    people: int = 0
    people_lacking: int = 0
    mapping: Mapping[str, str] = field(default_factory=dict)


def compare_overlap(
    lake: Lake,
    stream: StreamKey,
    *,
    earlier: str,
    later: str,
    since: datetime,
    known_before: datetime,
    limits: NormalizeLimits,
) -> Overlap:
    """Counts events of one partition from an instant on, and those of them that another one lacks.

    Args:
        lake: Where their events lie.
        stream: Whose they are.
        earlier: The partition that is looked through.
        later: The partition that should repeat it.
        since: From where on.
        known_before: People who became known from then on are none of those whom both should have.
        limits: What the work may use.

    Raises:
        LakeError: If the files can't be read.
    """
    first, second = (quoted(str(lake.events_file(stream, partition))) for partition in (earlier, later))
    with session(lake, limits, f"comparing {stream} {later} with {earlier}") as opened:
        counts = opened.one(
            f"""
            with later as (from read_parquet({second})),
            shared as (
                select
                    contact_id,
                    event_key not in (select event_key from later) as is_lacking,
                    contact_id not in (select contact_id from later where contact_id is not null) as is_gone,
                    coalesce(
                        try_cast(properties ->> '$.{KNOWN_SINCE}' as timestamptz)
                            < {quoted(iso(known_before))}::timestamptz,
                        true
                    ) as is_old
                from read_parquet({first})
                where occurred_at >= {quoted(iso(since))}::timestamptz
            )
            select
                count(*),
                count(*) filter (is_lacking),
                count(distinct contact_id) filter (is_old),
                count(distinct contact_id) filter (is_old and is_gone)
            from shared
            """
        )
        shared, lacking, people, people_lacking = (int(str(count)) for count in counts)
    return Overlap(earlier, shared, lacking, people, people_lacking)
