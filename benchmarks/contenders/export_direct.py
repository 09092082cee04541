"""One profile export without Dagster: ordered, polled, downloaded, landed, made events and attributes of.

Not here: the same as a Dagster run (`export_through_dagster.py`), its events alone (`export_normalizer.py`), the
warehouse, to which an export's events are events like all others (the questions `warehouse` and `delta`).
"""

from __future__ import annotations

from benchmarks.task import Stopwatch, Task, say
from journey_pipeline.exports.database import open_ledger
from journey_pipeline.exports.policy import ExportPolicy
from journey_pipeline.exports.queue import Queue
from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.exports import Exports
from journey_pipeline.loading.load_ordered import LoadOrdered
from journey_pipeline.loading.partition import LoadSettings
from journey_pipeline.settings import utc_now
from journey_pipeline.vendors.apsis.client import ApsisClient
from journey_pipeline.vendors.apsis.orders import Account
from journey_pipeline.vendors.apsis.profile_events.stream import ProfileEvents, profile_events_stream

CONNECTION = "apsis"


def main() -> None:
    """Loads the day of this process's task."""
    watch = Stopwatch()
    task = Task.given()
    lake = Lake(task.home)
    stream = profile_events_stream(CONNECTION, task.span.start)

    def open_exports() -> Exports:
        source = ProfileEvents(Account(ApsisClient(CONNECTION)), stream)
        ledger = open_ledger(f"sqlite:///{lake.home / 'exports.db'}")
        return Exports(Queue(CONNECTION, ledger, ExportPolicy(), utc_now), {stream.key.stream: source})

    (outcome,) = LoadOrdered(lake, stream, [task.span], LoadSettings(), open_exports).outcomes()
    if outcome.error:
        raise outcome.error
    landing_s = watch.seconds - outcome.normalize_s
    say(outcome.rows, watch.seconds, landing_s=landing_s, events_s=outcome.normalize_s)


if __name__ == "__main__":
    main()
