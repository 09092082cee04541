"""The warehouse's cost of a wide delta as it grows: events spread over all its days, most of them there already.

`warehouse_delta ROWS DAYS EVENTS ...` makes a warehouse of each of the numbers of events in turn and adds deltas of so
many rows. Not here: one more hour that overlaps nothing (`warehouse_growth.py`).
"""

from __future__ import annotations

import shutil
import statistics
import sys
from typing import Any

from benchmarks.made_lake import make_days, make_delta
from benchmarks.task import Stopwatch, Task, say
from journey_pipeline.lake.layout import Lake
from journey_pipeline.warehouse.equality import EqualityReport, compare_with_lake
from journey_pipeline.warehouse.sync import sync

DELTAS = 3


def main() -> None:
    """Grows a warehouse of each size below the task's home, and removes it."""
    watch = Stopwatch()
    home = Task.given().home
    rows, days, *sizes = (int(argument) for argument in sys.argv[1:])
    grown = []
    for events in sizes:
        lake = Lake(home / str(events))
        grown.append(_measure(lake, days, events // days, rows) | {"events": events})
        shutil.rmtree(lake.home)
    say(sum(size["rows"] for size in grown), watch.seconds, grown=grown)


def _measure(lake: Lake, days: int, rows_of_day: int, rows: int) -> dict[str, Any]:
    make_days(lake, range(days), rows_of_day)
    sync(lake)
    first = _compare(lake)
    events = days * rows_of_day
    reports, compared = [], []
    for number in range(days, days + DELTAS):
        events += make_delta(lake, number, days, rows_of_day, rows)
        reports.append(sync(lake))
        compared.append(_compare(lake))
    unchanged = _compare(lake)
    if unchanged.events != events:
        raise SystemExit(f"the warehouse came to {unchanged.events} events, not {events}")
    median = statistics.median(report.seconds for report in reports)
    return {
        "rows": events,
        "delta_s": median,
        "phases": next(report.phases for report in reports if report.seconds == median),
        "first_compare_s": first.seconds,
        "compare_s": statistics.median(report.seconds for report in compared),
        "unchanged_compare_s": unchanged.seconds,
    }


def _compare(lake: Lake) -> EqualityReport:
    report = compare_with_lake(lake)
    if not report.is_equal:
        raise SystemExit("\n".join(report.problems))
    return report


if __name__ == "__main__":
    main()
