"""Makes events files for another contender to work on: `made_hours ROWS HOURS`.

In a process of its own, so that making them counts for nobody's memory. Not here: how they are made (`made_lake.py`).
"""

from __future__ import annotations

import sys

from benchmarks.made_lake import make_hours
from benchmarks.task import Stopwatch, Task, say
from journey_pipeline.lake.layout import Lake


def main() -> None:
    """Fills the task's home."""
    watch = Stopwatch()
    rows, hours = (int(argument) for argument in sys.argv[1:])
    make_hours(Lake(Task.given().home), range(hours), rows)
    say(rows * hours, watch.seconds)


if __name__ == "__main__":
    main()
