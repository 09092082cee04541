"""Measured runs as tables in Markdown: medians, their spread, and ratios to the first contender.

Not here: what is run (`questions.py`).
"""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import Measured


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def comparison(runs: Mapping[str, Sequence[Measured]], *, per: int = 0) -> str:
    """Contenders beside the first of them.

    Args:
        runs: The repeats of each contender.
        per: Partitions, to show milliseconds for each; 0 leaves the column out.
    """
    header = [
        "contender",
        "wall s",
        "least to most",
        "to first",
        "work s",
        "cpu s",
        "cpu to first",
        "peak MiB",
        "while loading",
    ]
    first = next(iter(runs.values()))
    rows = []
    for name, repeats in runs.items():
        wall = _median_wall(repeats)
        walls = [run.wall_s for run in repeats]
        loading = [run.said["load_peak_mib"] for run in repeats if "load_peak_mib" in run.said]
        row = [
            name,
            f"{wall:.2f}",
            f"{min(walls):.2f} to {max(walls):.2f}",
            f"{wall / _median_wall(first):.2f}",
            f"{statistics.median(run.said['work_s'] for run in repeats):.2f}",
            f"{_median_cpu(repeats):.2f}",
            f"{_median_cpu(repeats) / _median_cpu(first):.2f}",
            f"{max(run.peak_mib for run in repeats):.0f}",
            f"{max(loading):.0f}" if loading else "",
        ]
        rows.append([*row, f"{wall / per * 1000:.0f}"] if per else row)
    return table([*header, "ms a partition"] if per else header, rows)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two contenders whose processor seconds are compared, and what the ratio should be.

    Attributes:
        one_has_marts: Whether only one of them makes marts, so that they are compared without these too.
    """

    contender: str
    to: str
    target: str
    one_has_marts: bool = False


def ratios(runs: Mapping[str, Sequence[Measured]], pairs: Sequence[Pair]) -> str:
    """Processor seconds of contenders that ran one soon after the other, turn by turn: how far single ones scatter."""
    rows = []
    for pair in pairs:
        if pair.contender in runs and pair.to in runs:
            turns = list(zip(runs[pair.contender], runs[pair.to], strict=True))
            name = f"{pair.contender} to {pair.to}"
            rows.append(_ratio(name, [one.cpu_s / other.cpu_s for one, other in turns], pair.target))
            if pair.one_has_marts:
                bare = [_cpu_without_marts(one) / _cpu_without_marts(other) for one, other in turns]
                rows.append(_ratio(f"{name}, without marts", bare, pair.target))
    return table(["cpu s", "each turn", "median", "target"], rows)


def _ratio(name: str, found: Sequence[float], target: str) -> list[str]:
    return [name, ", ".join(f"{ratio:.2f}" for ratio in found), f"{statistics.median(found):.2f}", target]


def _cpu_without_marts(run: Measured) -> float:
    return run.cpu_s - float(run.said.get("marts_cpu_s", 0))


def phases(run: Measured) -> str:
    """What a contender said besides rows and seconds, in one line."""
    shown = {name: value for name, value in run.said.items() if name.endswith("_s") and name != "work_s"}
    return ", ".join(f"{name.removesuffix('_s')} {value:.2f} s" for name, value in shown.items())


def machine() -> str:
    """What it all ran on, in one line."""
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    load = Path("/proc/loadavg")
    busy = f", load {load.read_text(encoding='ascii').split()[0]} at the start" if load.exists() else ""
    return (
        f"{os.cpu_count()} cores, {memory_gib:.0f} GiB, {platform.system()}, Python {platform.python_version()}{busy}"
    )


def _median_wall(repeats: Sequence[Measured]) -> float:
    return statistics.median(run.wall_s for run in repeats)


def _median_cpu(repeats: Sequence[Measured]) -> float:
    return statistics.median(run.cpu_s for run in repeats)
