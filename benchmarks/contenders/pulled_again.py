"""Hours pulled once, and then again with an equal answer: what the second time costs beside the first.

Both in one process and without the warehouse, so that start-up counts for neither. Not here: hours that are pulled once
(`direct.py`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime

from benchmarks.contenders.direct import CONNECTION, load
from benchmarks.task import Stopwatch, Task, say
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import EventsManifest
from journey_pipeline.model import Window
from journey_pipeline.vendors.sfmc.journey_history.stream import journey_history_stream


def cpu_s(lake: Lake, start: datetime, windows: Sequence[Window]) -> float:
    """Processor seconds of pulling some hours and making their events."""
    started_s = time.process_time()
    load(lake, journey_history_stream(CONNECTION, start), windows)
    return time.process_time() - started_s


def main() -> None:
    """Loads the hours of this process's task twice; the first of them warms up."""
    watch = Stopwatch()
    task = Task.given()
    lake, start, (warm_up, *windows) = Lake(task.home), task.span.start, task.windows
    cpu_s(lake, start, [warm_up])
    first_s, again_s = (cpu_s(lake, start, windows) for _ in range(2))
    files = (lake.events_manifest(journey_history_stream(CONNECTION, start).key, one.partition) for one in task.windows)
    rows = sum(manifest.events.rows for file in files if (manifest := EventsManifest.read(file)))
    say(rows, watch.seconds, first_s=first_s, again_s=again_s)


if __name__ == "__main__":
    main()
