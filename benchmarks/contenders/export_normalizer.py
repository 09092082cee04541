"""The pipeline's normalizer alone, on an export that has landed in the home already, with every guarantee on.

Not here: its reader alone, as the peer does it (`export_reader.py`).
"""

from __future__ import annotations

from benchmarks.contenders.export_direct import CONNECTION
from benchmarks.task import Stopwatch, Task, say
from journey_pipeline.lake.layout import Lake
from journey_pipeline.normalize.run import normalize
from journey_pipeline.vendors.apsis.profile_events.stream import profile_events_stream


def main() -> None:
    """Makes the events and attributes of the task's one day."""
    watch = Stopwatch()
    task = Task.given()
    stream = profile_events_stream(CONNECTION, task.span.start)
    manifest = normalize(Lake(task.home), stream.key, task.span.partition, stream.recipe)
    say(manifest.events.rows, watch.seconds)


if __name__ == "__main__":
    main()
