"""The pipeline's normalizer alone, on an hour that has landed in the home already.

Not here: the least code that does most of its work (`normalizer_floor.py`).
"""

from __future__ import annotations

from benchmarks.contenders.direct import CONNECTION
from benchmarks.task import Stopwatch, Task, say
from journey_pipeline.lake.layout import Lake
from journey_pipeline.normalize.run import normalize
from journey_pipeline.vendors.sfmc.journey_history.stream import journey_history_stream


def main() -> None:
    """Makes the events of the task's one hour."""
    watch = Stopwatch()
    task = Task.given()
    stream = journey_history_stream(CONNECTION, task.span.start)
    manifest = normalize(Lake(task.home), stream.key, task.span.partition, stream.recipe)
    say(manifest.events.rows, watch.seconds)


if __name__ == "__main__":
    main()
