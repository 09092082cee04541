"""The question of the one giant file: a profile export of APSIS One, one JSON object whatever its size.

Memory is measured at two gigabytes, once; speed beside the peer on a smaller file, in turns. Not here: how contenders
run (`processes.py`), what the file holds (`export_vendor.py`).
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from benchmarks.processes import Measured, run, serving_export
from benchmarks.tables import comparison, phases
from benchmarks.turns import Effort, in_turn, new_folder, once

FLOOR, READER, PEER, NORMALIZER = "export_floor", "export_reader", "export_ijson", "export_normalizer"
DIRECT, DAGSTER = "export_direct", "export_through_dagster"


def export(effort: Effort) -> str:
    """A profile export of 2 GB of JSON, once, from order to events; one of 240 MB, landed, beside ijson."""
    return f"{_whole_way(effort)}\n\n{_beside_the_peer(effort)}"


def _whole_way(effort: Effort) -> str:
    with new_folder() as folder, serving_export(effort.size(12_000, 20), effort.size(475_000, 50)) as vendor:
        effort.tell(f"the vendor has an export of {vendor.raw_bytes:,} bytes with {vendor.rows:,} events")
        contenders = [DIRECT, DAGSTER]
        runs = in_turn(
            once(effort), contenders, lambda name: folder / name, vendor.environment, vendor.rows, clean=True
        )
    spent = [f"- {name}: {phases(repeats[-1])}" for name, repeats in runs.items()]
    return "\n".join([comparison(runs), "", _speeds(runs, vendor.raw_bytes), "", *spent])


def _beside_the_peer(effort: Effort) -> str:
    with new_folder() as home, serving_export(effort.size(6_000, 20), effort.size(45_000, 50)) as vendor:
        landed = run(DIRECT, home, vendor.environment)
        effort.tell(f"an export of {vendor.raw_bytes:,} bytes has landed: {landed.peak_mib:.0f} MiB")
        # The floor understands nothing, and those who make rows leave in what comes twice.
        rows = {FLOOR: vendor.raw_bytes, READER: vendor.records, PEER: vendor.records, NORMALIZER: vendor.rows}
        runs = in_turn(effort, list(rows), lambda _: home, vendor.environment, rows)
    times = {name: _median_work(repeats) for name, repeats in runs.items()}
    return (
        f"{comparison(runs)}\n\n{_speeds(runs, vendor.raw_bytes)}\n\nThe reader is {times[PEER] / times[READER]:.2f} "
        f"times as fast as the peer. The whole way took {landed.peak_mib:.0f} MiB."
    )


def _speeds(runs: Mapping[str, Sequence[Measured]], raw_bytes: int) -> str:
    speeds = [f"{name} {raw_bytes / 1e6 / _median_work(repeats):.0f}" for name, repeats in runs.items()]
    return f"MB/s of {raw_bytes:,} bytes of JSON: {', '.join(speeds)}."


def _median_work(repeats: Sequence[Measured]) -> float:
    return float(statistics.median(run.said["work_s"] for run in repeats))
