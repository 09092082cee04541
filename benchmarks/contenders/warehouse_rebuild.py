"""The warehouse from nothing, of the events files that are in the home.

Not here: one more hour (`warehouse_growth.py`).
"""

from __future__ import annotations

from benchmarks.contenders.direct import published_rows
from benchmarks.task import Stopwatch, Task, say
from journey_pipeline.lake.layout import Lake
from journey_pipeline.warehouse.publish import publish
from journey_pipeline.warehouse.sync import rebuild


def main() -> None:
    """Rebuilds the warehouse of the task's home."""
    watch = Stopwatch()
    lake = Lake(Task.given().home)
    report = rebuild(lake)
    published = publish(lake)
    say(
        published_rows(lake),
        watch.seconds,
        rebuild_s=report.seconds,
        events_per_s=report.rows_inserted / report.seconds,
        publish_s=published.seconds,
        phases=report.phases,
    )


if __name__ == "__main__":
    main()
