"""The question of what grows with the partitions of a connection: sync, status, the gap filler's look, the equality.

Not here: how it is measured (`contenders/growth.py`), what grows with events (`questions.py`).
"""

from __future__ import annotations

from benchmarks.processes import PACE, Measured, run
from benchmarks.tables import table
from benchmarks.task import END, START
from benchmarks.turns import Effort, new_folder

SHOWN = {
    "sync command": "`sync` with one new hour, the whole command",
    "status command": "`status`, the whole command",
    "sync": "of it `sync()` alone",
    "publish": "publishing: a copy of the whole warehouse, looked at and flushed",
    "copy": "floor: the copy alone",
    "equality": "`warehouse_equals_lake` alone, after one new hour",
    "sync of nothing": "`sync()` with nothing new",
    "stat manifests": "floor: a `stat` of each manifest",
    "survey": "what `status` looks at, alone",
    "stat all files": "floor: a `stat` of each file that counts",
    "gaps": "the gap filler's look: 719 hours at most",
    "first sync": "first `sync()`: all of it",
    "first survey": "first look of `status`, nothing remembered",
}
# No vendor is asked: the hours are made.
ENVIRONMENT = PACE | {
    START: "2026-01-01T00:00:00+00:00",
    END: "2026-01-01T01:00:00+00:00",
    "SFMC_REST_URL": "http://127.0.0.1:9",
}


def growth(effort: Effort) -> str:
    """One more hour, and the looks at all of them, with 400, 4,000 and 17,000 hours of one connection."""
    sizes = [2, 4] if effort.quick else [400, 4_000, 17_000]
    grown = []
    for size in sizes:
        with new_folder() as home:
            grown.append(run("growth", home, ENVIRONMENT, str(size), "1" if effort.quick else "5"))
        effort.tell(f"growth, {size:,} partitions: {grown[-1].wall_s:.1f} s, {grown[-1].peak_mib:.0f} MiB")
    return _shown(sizes, grown)


def _shown(sizes: list[int], grown: list[Measured]) -> str:
    header = ["wall ms (cpu ms)", *(f"{size:,}" for size in sizes), "last to first", "by cpu"]
    rows = []
    for name, what in SHOWN.items():
        costs = [one.said["costs"][name] for one in grown]
        (first_wall, first_cpu), (last_wall, last_cpu) = costs[0], costs[-1]
        cells = [f"{wall * 1000:,.0f} ({cpu * 1000:,.0f})" for wall, cpu in costs]
        by_cpu = f"{last_cpu / first_cpu:.2f}" if first_cpu else ""
        rows.append([what, *cells, f"{last_wall / first_wall:.2f}", by_cpu])
    phases = [
        f"- {size:,}: " + ", ".join(f"{name} {seconds * 1000:.0f} ms" for name, seconds in one.said["phases"].items())
        for size, one in zip(sizes, grown, strict=True)
    ]
    return "\n".join([table(header, rows), "", "Phases of `sync()`:", *phases])
