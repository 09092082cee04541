"""The questions that are measured, each with its sizes and contenders, and the answer as text.

Not here: whose turn it is (`turns.py`), the questions of the one giant file (`export.py`), of many partitions
(`growth.py`), of Insider's formats (`insider.py`) and calls (`receiver.py`), how figures are shown (`tables.py`).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence

from benchmarks.export import export
from benchmarks.growth import growth
from benchmarks.insider import insider
from benchmarks.partitions import again, small
from benchmarks.processes import Measured, run, serving
from benchmarks.receiver import receiver
from benchmarks.tables import Pair, comparison, phases, ratios, table
from benchmarks.turns import Effort, in_turn, new_folder, once

FLOOR, DIRECT, DAGSTER = "floor", "direct", "through_dagster"
SCRIPTS = ["duckdb_script", "polars_script"]
DLT, DLT_RECORDS = "dlt_arrow", "dlt_records"
PAIRS = (
    Pair(DIRECT, FLOOR, "<= 1.9", one_has_marts=True),
    Pair(DIRECT, "duckdb_script", "<= 2.3", one_has_marts=True),
    Pair(DIRECT, "polars_script", "", one_has_marts=True),
    Pair(DLT, DIRECT, ">= 1.5", one_has_marts=True),
    Pair(DAGSTER, DIRECT, ""),
)

# The vendor keeps 30 days, and the pipeline asks for nothing of the last hours before they expire.
MONTH_HOURS = 714


def day(effort: Effort) -> str:
    """24 hours of 50,000 rows."""
    contenders = _with_dlt(effort, [FLOOR, *SCRIPTS, DIRECT, DAGSTER])
    return _load(effort, effort.size(24, 3), effort.size(50_000, 300), contenders)


def records(effort: Effort) -> str:
    """4 hours of 50,000 rows, once, for the sake of dlt's slowest way."""
    contenders = _with_dlt(effort, [FLOOR, DIRECT]) + ([DLT_RECORDS] if effort.with_dlt else [])
    return _load(once(effort), effort.size(4, 1), effort.size(50_000, 300), contenders)


def hour(effort: Effort) -> str:
    """One hour of 1,000,000 rows."""
    return _load(effort, 1, effort.size(1_000_000, 500), _with_dlt(effort, [FLOOR, DIRECT, DAGSTER]))


def month(effort: Effort) -> str:
    """714 hours of 1,000 rows: as far back as the vendor can be asked."""
    hours = effort.size(MONTH_HOURS, 3)
    return _load(effort, hours, effort.size(1_000, 100), [FLOOR, DIRECT, DAGSTER], per=hours)


def normalizer(effort: Effort) -> str:
    """One landed hour of 1,000,000 rows to events."""
    with new_folder() as folder, serving(1, effort.size(1_000_000, 500)) as vendor:
        home = folder / "home"
        run(DIRECT, home, vendor.environment)
        effort.tell("an hour has landed")
        runs = in_turn(effort, ["normalizer_floor", "normalizer"], lambda _: home, vendor.environment, vendor.rows)
    speeds = {name: min(one.said["work_s"] for one in repeats) for name, repeats in runs.items()}
    share = speeds["normalizer_floor"] / speeds["normalizer"]
    return f"{comparison(runs)}\n\nBest work s against best work s: {share:.2f} times the speed of its floor."


def warehouse(effort: Effort) -> str:
    """One more hour of 50,000 events at 1, 10 and 30 million; 10 million from nothing."""
    rows = effort.size(50_000, 200)
    sizes = [str(effort.size(hours, quick)) for hours, quick in ((20, 4), (200, 8), (600, 12))]
    with serving(1, 1) as vendor, new_folder() as folder:
        grown = run("warehouse_growth", folder / "growth", vendor.environment, str(rows), *sizes)
        effort.tell(f"warehouse_growth: {grown.wall_s:.1f} s, {grown.peak_mib:.0f} MiB")
        shutil.rmtree(folder / "growth")
        run("made_hours", folder / "rebuild", vendor.environment, str(rows), sizes[1])
        rebuilt = run("warehouse_rebuild", folder / "rebuild", vendor.environment)
    return _growth(grown) + "\n\n" + _rebuild(rebuilt)


def delta(effort: Effort) -> str:
    """A delta of 50,000 events over 90 days, 80 % of them there already, added to 1, 10 and 30 million events."""
    rows, days = effort.size(50_000, 200), effort.size(90, 4)
    sizes = [
        effort.size(events, quick) for events, quick in ((1_000_000, 800), (10_000_000, 1_600), (30_000_000, 2_400))
    ]
    with serving(1, 1) as vendor, new_folder() as folder:
        grown = run("warehouse_delta", folder, vendor.environment, str(rows), str(days), *map(str, sizes))
    return _deltas(grown)


def rolling(effort: Effort) -> str:
    """An answer of 7 days of 100,000 events, 6 of them known, added to 1, 10 and 30 million; the disk of 30 of them."""
    rows = effort.size(100_000, 100)
    turns, answers = effort.size(3, 1), effort.size(30, 2)
    sizes = [800] if effort.quick else [1_000_000, 10_000_000, 30_000_000]
    arguments = map(str, (rows, 7, turns, answers, *sizes))
    with serving(1, 1) as vendor, new_folder() as folder:
        grown = run("warehouse_rolling", folder, vendor.environment, *arguments)
    header = ["events", "its new day alone cpu s", "the answer cpu s", "ratio", "target"]
    lines = [
        [
            f"{size['events']:,}",
            f"{size['alone_s']:.2f}",
            f"{size['rolling_s']:.2f}",
            f"{size['rolling_s'] / size['alone_s']:.2f}",
            "<= 2.5",
        ]
        for size in grown.said["grown"]
    ]
    ratio = grown.said["grown"][-1]["rolling_s"] / grown.said["grown"][0]["rolling_s"]
    daily, whole = grown.said["held"]["daily"], grown.said["held"]["whole"]
    disk = [[name, f"{whole[name]:.0f}", f"{daily[name]:.0f}", f"{daily[name] / whole[name]:.2f}"] for name in daily]
    held = table(["MiB of", "one answer of all days", f"{answers} daily answers", "ratio, target <= 1.3"], disk)
    return f"{table(header, lines)}\n\nThe last answer against the first: {ratio:.2f}; target <= 1.5.\n\n{held}"


def marts(effort: Effort) -> str:
    """Passages: one busy hour more at 0.3, 5, 10 and 30 million, all marts anew, questions asked of them; a mix."""
    entries = effort.size(15_000, 50)
    days = [effort.size(full, quick) for full, quick in ((4, 2), (55, 4), (111, 5), (333, 6))]
    rows, hours = [], []
    with serving(1, 1) as vendor, new_folder() as folder:
        # The day of the single hours stays as it is.
        for first, last in zip([0, *(size + 1 for size in days)], days, strict=False):
            grown = run("marts", folder, vendor.environment, *map(str, (entries, first, last)))
            rows.append(_of_marts(grown))
            hours.append(grown.said["hour_cpu_s"])
            effort.tell(", ".join(f"{name} {value}" for name, value in rows[-1].items()))
        mixed = (entries, effort.size(55, 2), effort.size(92_000, 100))
        anew = run("marts_anew", folder / "mixed", vendor.environment, *map(str, mixed))
    shown = table(list(rows[0]), [list(row.values()) for row in rows])
    of_mixed = (
        f"{anew.said['rows']:,} events, half of them of passages: rebuilt in {anew.said['rebuild_cpu_s']:.1f} cpu s, "
        f"all tables anew in {anew.said['anew_cpu_s']:.1f}, peak {anew.peak_mib:.0f} MiB."
    )
    return f"{shown}\n\nThe last hour against the first: {hours[-1] / hours[0]:.2f}.\n\n{of_mixed}"


def _of_marts(grown: Measured) -> dict[str, str]:
    said = grown.said
    return {
        "events": f"{said['events']:,}",
        "one more hour cpu s": f"{said['hour_cpu_s']:.2f}",
        "all anew cpu s": f"{said['anew_cpu_s']:.1f}",
        "peak MiB": f"{grown.peak_mib:.0f}",
        "file MiB": f"{said['file_mib']:.0f}",
        "of it marts": f"{said['marts_mib']:.0f}",
        **{f"{name} s": f"{seconds:.2f}" for name, seconds in said["questions"].items()},
    }


QUESTIONS: Mapping[str, Callable[[Effort], str]] = {
    "day": day,
    "records": records,
    "hour": hour,
    "month": month,
    "small": small,
    "again": again,
    "normalizer": normalizer,
    "warehouse": warehouse,
    "delta": delta,
    "rolling": rolling,
    "marts": marts,
    "export": export,
    "growth": growth,
    "insider": insider,
    "receiver": receiver,
}


def _with_dlt(effort: Effort, contenders: list[str]) -> list[str]:
    return [*contenders, DLT] if effort.with_dlt else contenders


def _load(effort: Effort, hours: int, rows: int, contenders: Sequence[str], *, per: int = 0) -> str:
    with new_folder() as folder, serving(hours, rows) as vendor:
        effort.tell(f"the vendor has {hours} hours with {vendor.rows:,} rows")
        runs = in_turn(effort, contenders, lambda name: folder / name, vendor.environment, vendor.rows, clean=True)
    spent = [f"- {name}: {phases(repeats[-1])}" for name, repeats in runs.items() if phases(repeats[-1])]
    return "\n".join([comparison(runs, per=per), "", ratios(runs, PAIRS), "", "Of the last repeat:", *spent])


def _growth(grown: Measured) -> str:
    header = ["events", "one more hour s", "publish s", "plain copy s", "copy and flush s", "file MiB", "bulk events/s"]
    sizes = grown.said["grown"]
    rows = [
        [
            f"{size['events']:,}",
            f"{size['hour_s']:.2f}",
            f"{size['publish_s']:.2f}",
            f"{size['copy_s']:.2f}",
            f"{size['flushed_copy_s']:.2f}",
            f"{size['file_mib']:.0f}",
            f"{size['bulk_events_per_s']:,.0f}",
        ]
        for size in sizes
    ]
    ratio = sizes[-1]["hour_s"] / sizes[0]["hour_s"]
    spent = [
        f"- {size['events']:,}: " + ", ".join(f"{name} {seconds:.2f} s" for name, seconds in size["phases"].items())
        for size in sizes
    ]
    lines = [
        table(header, rows),
        "",
        f"The last against the first: {ratio:.2f} times as long. One hour's phases:",
        *spent,
    ]
    return "\n".join(lines)


def _deltas(grown: Measured) -> str:
    header = [
        "events",
        "one more delta s",
        "of it merging s",
        "tables s",
        "first proof s",
        "next proof s",
        "nothing new s",
    ]
    rows = [
        [
            f"{size['events']:,}",
            f"{size['delta_s']:.2f}",
            f"{size['phases']['merge']:.2f}",
            f"{size['phases']['tables']:.2f}",
            f"{size['first_compare_s']:.2f}",
            f"{size['compare_s']:.2f}",
            f"{size['unchanged_compare_s']:.2f}",
        ]
        for size in grown.said["grown"]
    ]
    return f"{table(header, rows)}\n\nPeak {grown.peak_mib:.0f} MiB."


def _rebuild(rebuilt: Measured) -> str:
    said = rebuilt.said
    return (
        f"{said['rows']:,} events from nothing: {said['rebuild_s']:.1f} s, {said['events_per_s']:,.0f} events/s, peak "
        f"{rebuilt.peak_mib:.0f} MiB."
    )
