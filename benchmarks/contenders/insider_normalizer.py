"""The pipeline's normalizer on an export of Insider that has landed already (`insider_made.py`)."""

from __future__ import annotations

import os
import time
from pathlib import Path

from benchmarks.contenders.insider_made import KEY, PARTITION
from benchmarks.task import HOME, Stopwatch, say
from journey_pipeline.lake.layout import Lake
from journey_pipeline.normalize.run import normalize
from journey_pipeline.vendors.insider.user_events.columns import USER_EVENTS


def main() -> None:
    """Makes its events and attributes."""
    watch, before_s = Stopwatch(), time.process_time()
    manifest = normalize(Lake(Path(os.environ[HOME])), KEY, PARTITION, USER_EVENTS)
    attributes = manifest.attributes.rows if manifest.attributes else 0
    say(manifest.events.rows, watch.seconds, work_cpu_s=time.process_time() - before_s, attributes=attributes)


if __name__ == "__main__":
    main()
