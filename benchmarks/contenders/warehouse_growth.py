"""The warehouse's cost of one more hour as it grows; and of publishing, beside a plain copy of the file.

`warehouse_growth ROWS HOURS ...` brings the warehouse to each of the numbers of hours in turn, the last three hours one
by one. Not here: the warehouse from nothing (`warehouse_rebuild.py`).
"""

from __future__ import annotations

import shutil
import statistics
import sys
from typing import Any

from benchmarks.contenders.direct import published_rows
from benchmarks.made_lake import make_hours
from benchmarks.task import Stopwatch, Task, say
from journey_pipeline.files import flush_file
from journey_pipeline.lake.layout import Lake
from journey_pipeline.warehouse.connection import warehouse_file
from journey_pipeline.warehouse.publish import publish
from journey_pipeline.warehouse.sync import SyncReport, sync

SINGLE_HOURS = 3


def main() -> None:
    """Grows a warehouse in the task's home."""
    watch = Stopwatch()
    lake = Lake(Task.given().home)
    rows, *sizes = (int(argument) for argument in sys.argv[1:])
    grown, done = [], 0
    for hours in sizes:
        make_hours(lake, range(done, hours - SINGLE_HOURS), rows)
        bulk = sync(lake)
        singles = [_one_more(lake, number, rows) for number in range(hours - SINGLE_HOURS, hours)]
        grown.append(_figures(lake, bulk, singles) | {"events": hours * rows})
        done = hours
    say(published_rows(lake), watch.seconds, grown=grown)


def _one_more(lake: Lake, number: int, rows: int) -> SyncReport:
    make_hours(lake, range(number, number + 1), rows)
    return sync(lake)


def _figures(lake: Lake, bulk: SyncReport, singles: list[SyncReport]) -> dict[str, Any]:
    published = publish(lake)
    copy = lake.home / "copy.duckdb"
    watch = Stopwatch()
    shutil.copyfile(warehouse_file(lake), copy)
    copied_s = watch.seconds
    flush_file(copy)
    flushed_s = watch.seconds
    copy.unlink()
    median = statistics.median(report.seconds for report in singles)
    return {
        "hour_s": median,
        "hours_s": [report.seconds for report in singles],
        "phases": next(report.phases for report in singles if report.seconds == median),
        "bulk_events_per_s": bulk.rows_inserted / bulk.seconds,
        "file_mib": published.bytes / (1 << 20),
        "publish_s": published.seconds,
        "copy_s": copied_s,
        "flushed_copy_s": flushed_s,
    }


if __name__ == "__main__":
    main()
