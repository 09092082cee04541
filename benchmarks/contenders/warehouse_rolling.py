"""What a day's rolling answer costs the warehouse, most of whose events it has, beside its new day alone; and the disk.

`warehouse_rolling ROWS DAYS TURNS ANSWERS EVENTS ...` makes a warehouse of each number of events and adds answers
of so many days of so many rows. Not here: events spread over all days (`warehouse_delta.py`).
"""

from __future__ import annotations

import shutil
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.made_lake import make_days, make_rolling
from benchmarks.task import MEBIBYTE, Stopwatch, Task, say
from journey_pipeline.lake.layout import Lake
from journey_pipeline.warehouse.connection import warehouse_file
from journey_pipeline.warehouse.sync import sync


def main() -> None:
    """Grows a warehouse of each size below the task's home, and removes it; then those of a month of answers."""
    watch = Stopwatch()
    home = Task.given().home
    rows, days, turns, answers, *sizes = (int(argument) for argument in sys.argv[1:])
    grown = []
    for events in sizes:
        lake = Lake(home / str(events))
        grown.append(_measure(lake, rows, days, turns, events // rows) | {"events": events})
        shutil.rmtree(lake.home)
    daily, whole = Lake(home / "daily"), Lake(home / "whole")
    # The first day of an answer is the days before the first one's: so both hold the same events.
    for number in range(days - 1, days - 1 + answers):
        make_rolling(daily, number, days, rows)
    make_rolling(whole, days - 2 + answers, days - 1 + answers, rows)
    held = {lake.home.name: _held(lake) for lake in (daily, whole)}
    say(sum(size["rows"] for size in grown), watch.seconds, grown=grown, held=held)


def _measure(lake: Lake, rows: int, days: int, turns: int, number: int) -> dict[str, Any]:
    make_days(lake, range(number), rows)
    sync(lake)
    alone, rolling = [], []
    for _ in range(turns):
        alone.append(_sync_cpu_s(lake, lambda: make_days(lake, range(number, number + 1), rows)))  # noqa: B023 - called at once
        rolling.append(_sync_cpu_s(lake, lambda: make_rolling(lake, number + 1, days, rows)))  # noqa: B023 - called at once
        number += 2
    return {"rows": number * rows, "alone_s": statistics.median(alone), "rolling_s": statistics.median(rolling)}


def _sync_cpu_s(lake: Lake, make: Callable[[], None]) -> float:
    make()
    before_s = time.process_time()
    sync(lake)
    return time.process_time() - before_s


def _held(lake: Lake) -> dict[str, float]:
    """MiB of events files and of the warehouse."""
    sync(lake)
    events = sum(file.stat().st_size for file in lake.events_root.rglob("*.parquet"))
    return {"events": events / MEBIBYTE, "warehouse": warehouse_file(lake).stat().st_size / MEBIBYTE}


if __name__ == "__main__":
    main()
