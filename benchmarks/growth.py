"""The question of what grows with the partitions of a connection: sync, status, the gap filler's look, the equality.

Not here: how it is measured (`contenders/growth.py`), what grows with events (`questions.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from benchmarks.processes import PACE, Measured, run
from benchmarks.tables import table
from benchmarks.task import END, START
from benchmarks.turns import Effort, new_folder
from journey_pipeline.model import Granularity, floor

SHOWN = {
    "sync command": "`sync` with one new hour, the whole command",
    "status command": "`status`, the whole command",
    "run": "a run of Dagster with `warehouse_equals_lake` in it: one new hour, synced, compared, published",
    "tick": "the gap filler's tick, as Dagster evaluates it",
    "sync": "`sync()` alone, one new hour",
    "sync of nothing": "`sync()` alone, nothing new",
    "equality": "`warehouse_equals_lake` alone, after one new hour",
    "equality of nothing": "`warehouse_equals_lake` alone, nothing new",
    "stat events": "floor of both: a `stat` of each events file and its manifest",
    "survey": "what `status` looks at, alone",
    "stat all files": "floor: a `stat` of each file that counts",
    "gaps": "the gap filler's look, alone: 719 hours at most",
    "publish": "publishing: a copy of the whole warehouse, looked at and flushed",
    "copy": "floor: the copy alone",
}
# Of each round, at each size.
_NEW_HOURS = 3


def growth(effort: Effort) -> str:
    """One more hour, and the looks at all of them, with 400, 4,000 and 17,000 hours of one connection."""
    sizes = [2, 4] if effort.quick else [400, 4_000, 17_000]
    # They grow into the past, so that the new hours of every size are those that end last.
    end = floor(datetime.now(UTC), Granularity.HOUR) - timedelta(hours=_NEW_HOURS * effort.repeats * len(sizes))
    grown = []
    with new_folder() as home:
        for size in sizes:
            grown.append(run("growth", home, hours_before(end, size), str(effort.repeats)))
            said = grown[-1].said
            effort.tell(
                f"growth, {size:,} partitions: {grown[-1].wall_s:.1f} s, of which making and loading them "
                f"{said['made_s']:.1f} s; {grown[-1].peak_mib:.0f} MiB"
            )
    return _shown(sizes, grown)


def hours_before(end: datetime, hours: int) -> Mapping[str, str]:
    """The environment of a contender that is to have so many hours before a time. No vendor is asked for them."""
    start = end - timedelta(hours=hours)
    return PACE | {START: start.isoformat(), END: end.isoformat(), "SFMC_REST_URL": "http://127.0.0.1:9"}


def _shown(sizes: list[int], grown: list[Measured]) -> str:
    header = ["cpu ms (wall ms)", *(f"{size:,}" for size in sizes), "last to first", "by wall"]
    rows = []
    for name, what in SHOWN.items():
        costs = [one.said["costs"][name] for one in grown]
        (first_wall, first_cpu), (last_wall, last_cpu) = costs[0], costs[-1]
        cells = [f"{cpu * 1000:,.0f} ({wall * 1000:,.0f})" for wall, cpu in costs]
        by_cpu = f"{last_cpu / first_cpu:.2f}" if first_cpu else ""
        rows.append([what, *cells, by_cpu, f"{last_wall / first_wall:.2f}"])
    phases = [
        f"- {size:,}: " + ", ".join(f"{name} {seconds * 1000:.0f} ms" for name, seconds in one.said["phases"].items())
        for size, one in zip(sizes, grown, strict=True)
    ]
    return "\n".join([table(header, rows), "", "Phases of `sync()`, wall clock:", *phases])
