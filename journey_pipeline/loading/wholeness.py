"""The daily look at what landed: sizes of all parts, and the content of a share that rotates.

Not here: what damage is (`lake/wholeness.py`), pulling again what was set aside (`backfill.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from journey_pipeline.errors import LakeError
from journey_pipeline.files import naming_disk_troubles
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.wholeness import set_damaged_aside
from journey_pipeline.loading.plan import survey, whole_span
from journey_pipeline.model import Window
from journey_pipeline.vendors.source import Stream

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Inspected:
    """What a look at the landing of a stream found.

    Attributes:
        hashed: Partitions whose parts were read and hashed.
        damage: What is damaged, by partition: which file, and what heals it.
    """

    hashed: int
    damage: dict[Window, str]


def inspect_landing(lake: Lake, stream: Stream, now: datetime) -> Inspected:
    """Hashes the day's share of a stream's landing and what is known as damaged, and says what is damaged of all of it.

    What is damaged is set aside, and what is whole again counts again.

    Args:
        now: The present; its day chooses the share.
    """
    span = whole_span(stream, now)
    if span is None:
        return Inspected(0, {})
    share = [window for window in span.partitions(stream.granularity) if is_due(stream, window, now)]
    # What is damaged may have been put back meanwhile.
    due = sorted({*share, *survey(lake, stream, span, now).damage})
    landed = [window for window in due if lake.landing_manifest(stream.key, window.partition).exists()]
    failed: dict[Window, str] = {}
    for window in landed:
        folder = lake.landing_dir(stream.key, window.partition)
        try:
            with naming_disk_troubles(f"looking at {stream.key} {window.partition}", folder):
                set_damaged_aside(lake, stream.key, window.partition, by_content=True)
        except LakeError as error:
            failed[window] = str(error)
    return Inspected(len(landed), {**failed, **survey(lake, stream, span, now).damage})


def is_due(stream: Stream, window: Window, now: datetime) -> bool:
    """Whether a partition is of the day's share: each twice within the vendor's retention, so that a day may fail."""
    period = max(1, stream.retention // _DAY // 2)
    epoch = datetime.fromtimestamp(0, now.tzinfo)
    return (window.start - epoch) // window.duration % period == (now - epoch) // _DAY % period
