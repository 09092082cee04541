"""The questions of what a partition costs by itself: many small ones, and one that is pulled again.

Not here: partitions in their thousands (`growth.py`).
"""

from __future__ import annotations

from statistics import median

from benchmarks.processes import Measured, serving
from benchmarks.tables import comparison, table
from benchmarks.turns import Effort, in_turn, new_folder

DIRECT, DAGSTER, AGAIN = "direct", "through_dagster", "pulled_again"


def small(effort: Effort) -> str:
    """20 and 100 hours of 200 rows, directly and through Dagster."""
    sizes = [effort.size(20, 2), effort.size(100, 4)]
    few, many = (_hours(effort, size) for size in sizes)
    own_s = [
        [dagster.cpu_s - direct.cpu_s for direct, dagster in zip(runs[DIRECT], runs[DAGSTER], strict=True)]
        for runs in (few, many)
    ]
    each_ms = [1000 * (more - less) / (sizes[1] - sizes[0]) for less, more in zip(*own_s, strict=True)]
    once_s = [less - each / 1000 * sizes[0] for less, each in zip(own_s[0], each_ms, strict=True)]
    direct_ms = [1000 * run.cpu_s / sizes[1] for run in many[DIRECT]]
    figures = {
        f"direct, {sizes[1]} hours, cpu ms a partition": (direct_ms, "<= 95"),
        "Dagster's own, cpu ms a partition": (each_ms, "<= 45"),
        "Dagster's own, cpu s once": (once_s, "<= 3"),
    }
    rows = [
        [name, ", ".join(f"{value:.1f}" for value in values), f"{median(values):.1f}", target]
        for name, (values, target) in figures.items()
    ]
    return f"{table(['figure', 'each repeat', 'median', 'target'], rows)}\n\n{comparison(many, per=sizes[1])}"


def again(effort: Effort) -> str:
    """Three hours of 50,000 rows, landed and made into events, then pulled again with an equal answer."""
    with new_folder() as folder, serving(effort.size(4, 2), effort.size(50_000, 300)) as vendor:
        runs = in_turn(effort, [AGAIN], lambda name: folder / name, vendor.environment, vendor.rows, clean=True)
    ratios = [run.said["again_s"] / run.said["first_s"] for run in runs[AGAIN]]
    rows = [
        [f"{run.said['first_s']:.2f}", f"{run.said['again_s']:.2f}", f"{ratio:.2f}"]
        for run, ratio in zip(runs[AGAIN], ratios, strict=True)
    ]
    return f"{table(['first cpu s', 'again cpu s', 'ratio'], rows)}\n\nMedian {median(ratios):.2f}; target <= 1.2."


def _hours(effort: Effort, hours: int) -> dict[str, list[Measured]]:
    with new_folder() as folder, serving(hours, effort.size(200, 20)) as vendor:
        contenders = [DIRECT, DAGSTER]
        return in_turn(effort, contenders, lambda name: folder / name, vendor.environment, vendor.rows, clean=True)
