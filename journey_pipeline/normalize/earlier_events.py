"""Events files of an earlier version, which lack columns: finding them, and adding the columns without values.

Apart from `run.py`, since nothing is made of a landing here. Not here: making them again (`loading/bring_over.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pyarrow as pa
import pyarrow.parquet as pq

from journey_pipeline.errors import LakeError
from journey_pipeline.files import EVENTS_LOCK, exclusive, naming_disk_troubles
from journey_pipeline.lake.events import describe_parquet, put_widened
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import EventsManifest
from journey_pipeline.model import EVENT_COLUMNS, is_partition
from journey_pipeline.normalize.session import NormalizeLimits, session
from journey_pipeline.sql import literal


def find_earlier(lake: Lake) -> Iterator[EventsManifest]:
    """The manifests of events files that lack columns. What can't be read is left to the sync, which names it."""
    for path in sorted(lake.events_root.glob("*/*/*.json")):
        with suppress(LakeError):
            manifest = EventsManifest.read(path) if is_partition(path.stem) else None
            if manifest and _lacking(lake, manifest):
                yield manifest


def add_columns(lake: Lake, manifest: EventsManifest, limits: NormalizeLimits) -> None:
    """Gives an events file the columns that it lacks, without values; nothing if it has been made again meanwhile.

    Raises:
        LakeError: If the disk or the memory does not suffice.
    """
    key, partition = manifest.key, manifest.partition
    work = f"adding columns to the events of {key} {partition}"
    with naming_disk_troubles(work, lake.home), exclusive(lake.landing_dir(key, partition) / EVENTS_LOCK):
        lacking = _lacking(lake, manifest)
        if not lacking:
            return
        columns = ", ".join(
            f"{'null' if c.name in lacking else c.name}::{c.file_type} as {c.name}" for c in EVENT_COLUMNS
        )
        file = literal(str(lake.events_file(key, partition)))
        with session(lake, limits, work) as opened:
            to = opened.folder / "events.parquet"
            rows = opened.copy(f"select {columns} from read_parquet({file}, hive_partitioning = false)", to)
            put_widened(lake, manifest.model_copy(update={"events": describe_parquet(to, rows)}), to)


def _lacking(lake: Lake, manifest: EventsManifest) -> set[str]:
    try:
        names = pq.read_schema(lake.events_file(manifest.key, manifest.partition)).names
    except (OSError, pa.ArrowInvalid):
        return set()
    return {column.name for column in EVENT_COLUMNS}.difference(names)
