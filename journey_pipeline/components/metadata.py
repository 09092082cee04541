"""What the UI shows of a partition: figures, a schema, a small preview without personal data.

Not here: what is recorded when (`recording.py`), the claims (`checks.py`).
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from journey_pipeline.components.export_life import life_of_landing
from journey_pipeline.lake.manifest import Attempt
from journey_pipeline.lake.preview import Previews
from journey_pipeline.loading.partition import PartitionOutcome
from journey_pipeline.model import EVENT_COLUMNS

Metadata = Mapping[str, Any]

MEGABYTE = 1_000_000
SAYS = "says"  # what an asset did, in lines that the command line prints


def event_schema() -> dg.TableSchema:
    """The canonical event's columns with their comments, as its Parquet files have them."""
    return dg.TableSchema([dg.TableColumn(c.name, c.file_type, description=c.comment) for c in EVENT_COLUMNS])


def landing_metadata(outcome: PartitionOutcome) -> Metadata:
    """Of the newest answer: rows, size, what the vendor said, how fast it came."""
    if outcome.covered_by:
        return {"covered_by": outcome.covered_by}
    if outcome.landing is None or not outcome.landing.active:
        return {}
    newest = outcome.landing.active[-1]
    size = sum(file.bytes for file in newest.files)
    life = life_of_landing(newest)
    return {
        **life,
        "dagster/partition_row_count": newest.rows,
        "estimate": dg.MetadataValue.int(newest.estimate_rows) if newest.estimate_rows is not None else "none",
        "bytes": size,
        "bytes_inflated": sum(file.raw_bytes for file in newest.files),
        **({} if life else _pace(outcome, newest, size)),  # most of an export's time is the vendor's own
        "parts": len(newest.files),
        "attempts": len(outcome.landing.attempts),
        "attempt": newest.attempt,
        "landed_at": dg.MetadataValue.timestamp(newest.landed_at),
    }


def _pace(outcome: PartitionOutcome, newest: Attempt, size: int) -> Metadata:
    seconds = outcome.pull_s or (newest.landed_at - newest.started_at).total_seconds()
    return {"seconds": round(seconds, 3), "MB_per_second": round(size / MEGABYTE / seconds, 2) if seconds else 0.0}


def events_metadata(previews: Previews, outcome: PartitionOutcome) -> Metadata:
    """Of the events: where every landed row went, and what they look like."""
    events = outcome.events
    if outcome.covered_by:
        return {"covered_by": outcome.covered_by}
    if events is None:
        return {}
    metadata: dict[str, Any] = {
        "dagster/partition_row_count": events.events.rows,
        "landed": events.landed,
        "rejects": events.rejects.rows if events.rejects else 0,
        "duplicates": events.duplicates,
        "withdrawn": events.withdrawn,
        "bytes": events.events.bytes,
        "seconds": round(outcome.normalize_s, 3),
        "file": previews.lake.relative(previews.lake.events_file(events.key, events.partition)),
    }
    if events.first_at and events.last_at:
        metadata["first_at"] = dg.MetadataValue.timestamp(events.first_at)
        metadata["last_at"] = dg.MetadataValue.timestamp(events.last_at)
    rows = [dg.TableRecord(row) for row in previews.of(events.key, events.partition)]
    if rows:
        metadata["preview"] = dg.MetadataValue.table(rows)
    return metadata
