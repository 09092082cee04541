"""Functions of `backfill`, `normalize` and `demo`: choose partitions, run them through Dagster, show the results.

Not here: the options of each command (their modules), the runs themselves (`components/runs.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from journey_pipeline.cli.output import notes, plain_table
from journey_pipeline.cli.progress import ProgressBar, SyncProgress
from journey_pipeline.components.load_assets import LoadAssets
from journey_pipeline.components.runs import Runner, RunOutcome
from journey_pipeline.components.schedules import MOST_PARTITIONS
from journey_pipeline.components.translator import key_of
from journey_pipeline.errors import LakeError
from journey_pipeline.lake.landing import read_holder
from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.claims import Severity
from journey_pipeline.loading.partition import made_events
from journey_pipeline.loading.plan import State, Survey, Verdicts, loads, of_severity, survey, verdicts
from journey_pipeline.model import Window, contiguous
from journey_pipeline.settings import utc_now

MEGABYTE = 1_000_000
LONGEST_TABLE = 48
MOST_WARNINGS = 20
_FIGURES = ("estimate", "rows", "events", "people", "rejects", "duplicates", "MB", "seconds")
_ALWAYS = ("rows", "events", "rejects", "duplicates", "MB", "seconds")
MOST_SPANS = 6  # as many as fit a line


@dataclass(slots=True)
class Loaded:
    """The result of a load.

    Attributes:
        windows: The partitions that were to be loaded.
        run_failures: What runs said that ended without finishing their partitions.
    """

    assets: LoadAssets
    windows: list[Window]
    failed: dict[str, str] = field(default_factory=dict)
    run_failures: list[str] = field(default_factory=list)
    bytes: int = 0

    @property
    def complete(self) -> bool:
        """Whether all partitions are loaded."""
        return not self.failed and not self.run_failures


class Planned(NamedTuple):
    """A stream with the states of its partitions, and the windows to load."""

    assets: LoadAssets
    found: Survey
    windows: list[Window]


def to_load(runner: Runner, assets: LoadAssets, found: Survey, *, again: bool) -> list[Window]:
    """The partitions that a backfill has to load.

    Those that are missing or unfinished, and those that Dagster's history does not know; with `again` also those that
    are complete and that the vendor still keeps.
    """
    wanted = found.windows(State.MISSING, State.LANDED)
    complete = found.windows(State.COMPLETE)
    if again:
        return sorted(wanted + [window for window in complete if found.expires_in(window).total_seconds() > 0])
    known = runner.materialized(assets)
    partitions = assets.partitions
    return sorted(wanted + [window for window in complete if key_of(partitions, window) not in known])


def order(runner: Runner, plans: Sequence[Planned], *, again: bool = False) -> None:
    """Orders the exports of all streams with exports first, so that the vendor works on them at the same time.

    A failed order is not reported here: the load orders again, and reports each partition that fails.
    """
    for assets, found, windows in plans:
        wanted = [window for window in windows if again or found.states[window] is State.MISSING]
        for run in loads(assets.stream, wanted, MOST_PARTITIONS):
            if not runner.faults:
                runner.prepare(assets, run)


def load(
    runner: Runner,
    assets: LoadAssets,
    windows: Sequence[Window],
    *,
    pull: bool = True,
    again: bool = False,
    waits: bool = True,
) -> Loaded:
    """Runs partitions through Dagster, with a progress bar on standard error."""
    loaded = Loaded(assets, list(windows))
    if not windows:
        return loaded
    title = f"{assets.stream.key}"
    with ProgressBar(notes, len(windows), title) as bar:
        for part in loads(assets.stream, windows, MOST_PARTITIONS):
            if runner.faults:
                bar.failed.update({window.partition: runner.faults[0] for window in part})
                continue
            outcome = runner.load(assets, part, pull=pull, only_missing=not again, waits=waits)
            if not outcome.succeeded and not bar.failed:
                loaded.run_failures.append(outcome.says)
    loaded.failed = dict(bar.failed)
    loaded.bytes = bar.bytes
    return loaded


def sync_warehouse(runner: Runner, *connections: str, remove: bool = False) -> bool:
    """Pulls the dimensions of the named connections, syncs and publishes, prints the changes; True if all succeeded.

    `remove`: the warehouse drops all data that is gone from the lake.
    """
    outcomes = [runner.pull_dimensions(connection) for connection in connections if not runner.faults]
    with SyncProgress(notes):
        outcomes.append(runner.sync_warehouse(remove=remove))
    return tell(*outcomes)


def exit_code(runner: Runner, *, well: bool) -> int:
    """What a command exits with after its runs: 2 if the connection itself is at fault, as with wrong credentials."""
    return 2 if runner.faults else int(not well)


def tell(*outcomes: RunOutcome | None) -> bool:
    """Prints what runs did, then what is wrong; True if all went well."""
    ended = [outcome for outcome in outcomes if outcome]
    for did in (did for outcome in ended for did in outcome.did):
        notes.say(did)
    said = [says for outcome in ended for says in (*outcome.problems, outcome.says) if says]
    warnings = [says for outcome in ended for says in outcome.warnings]
    for says in [*said, *warnings]:
        notes.say(says)
    return not said and all(outcome.succeeded for outcome in ended)


def partition_table(lake: Lake, assets: LoadAssets, windows: Sequence[Window], *, pulled: bool = True) -> Table:
    """A table of each partition's figures; only the last partitions if there are many.

    Rows are events, people, rejects and duplicates. Columns that would say nothing are left out: an estimate that the
    vendor does not give, and people where no record tells of one alone.
    """
    shown = list(windows)[-LONGEST_TABLE:]
    found = [_figures(lake, assets, window) for window in shown]
    named = [name for name in _FIGURES if any(figures.get(name, "0") != "0" for figures in found)]
    figures = [name for name in _FIGURES if name in {*_ALWAYS, *named} and (pulled or name != "seconds")]
    title = f"{assets.stream.key}: the last {len(shown)} of {len(windows)}" if len(windows) > len(shown) else None
    table = plain_table("partition", *figures, right=tuple(figures), title=title)
    for window, told in zip(shown, found, strict=True):
        table.add_row(window.partition, *(told.get(name, "") for name in figures))
    return table


def _figures(lake: Lake, assets: LoadAssets, window: Window) -> dict[str, str]:
    try:
        landing = read_holder(lake, assets.stream.key, window.partition)
        events = made_events(lake, assets.stream, window.partition)
    except LakeError:
        return {"rows": "damaged"}
    if landing is None or events is None:
        return {"rows": "not normalized" if landing else "missing"}
    if landing.partition != window.partition:
        return {"rows": f"in {landing.partition.partition('-')[2]}"}
    newest = landing.active[-1]
    estimate = {} if newest.estimate_rows is None else {"estimate": f"{newest.estimate_rows:,}"}
    return estimate | {
        "rows": f"{events.landed:,}",
        "events": f"{events.events.rows:,}",
        "people": f"{events.people:,}",
        "rejects": f"{events.rejects.rows if events.rejects else 0:,}",
        "duplicates": f"{events.duplicates:,}",
        "MB": f"{sum(file.bytes for file in newest.files) / MEGABYTE:.2f}",
        "seconds": f"{(newest.landed_at - newest.started_at).total_seconds():.1f}",
    }


def look(lake: Lake, assets: LoadAssets, span: Window, now: datetime) -> Survey:
    """The states of a stream's partitions in a span, from the stream's start on."""
    start = max(span.start, assets.stream.start)
    end = max(span.end, start + assets.stream.granularity.duration)
    return survey(lake, assets.stream, Window(start, end), now, assets.settings)


def tell_outcome(console: Console, lake: Lake, loaded: Loaded, found: Survey | None = None) -> bool:
    """Prints a line for each unloaded partition and each red check; True if all are loaded and no check is an error.

    `found` is what was there before; its errors are printed too.
    """
    tell_failures(console, loaded)
    is_there = _tell_vanished(console, lake, loaded)
    return tell_verdicts(console, lake, loaded, found) and is_there and loaded.complete


def _tell_vanished(console: Console, lake: Lake, loaded: Loaded) -> bool:
    """Prints partitions that were loaded and are missing in the lake; True if there are none."""
    said = loaded.windows if loaded.run_failures else [w for w in loaded.windows if w.partition in loaded.failed]
    claimed = sorted(set(loaded.windows) - set(said))
    if not claimed:
        return True
    stream = loaded.assets.stream
    after = survey(lake, stream, Window(claimed[0].start, claimed[-1].end), utc_now())
    lacking = [window for window in claimed if after.states[window] is not State.COMPLETE]
    for window in lacking:
        why = after.damage.get(window, "check the disk, then run the command again")
        line = f"{stream.key} {window.partition} was loaded, and its files are missing: {why}"
        console.print(line, style="red", markup=False, highlight=False, soft_wrap=True)
    return not lacking


def tell_verdicts(console: Console, lake: Lake, loaded: Loaded, found: Survey | None = None) -> bool:
    """Prints a line for each red check; True if none is an error.

    Warnings are printed of what was just loaded, errors also of what was `found` there before.
    """
    stream = loaded.assets.stream
    judged = verdicts(lake, stream, loaded.windows, loaded.assets.settings, with_overlap=True)
    before = found.red if found else {}
    errors = {window: claims for window, claims in before.items() if window not in loaded.windows}
    errors |= of_severity(Severity.ERROR, judged)
    for line in verdict_lines(errors):
        console.print(f"{stream.key} {line}", style="red", markup=False, highlight=False, soft_wrap=True)
    warnings = verdict_lines(of_severity(Severity.WARN, judged))
    for line in warnings[:MOST_WARNINGS]:
        console.print(f"{stream.key} {line}", style="yellow", markup=False, highlight=False, soft_wrap=True)
    if len(warnings) > MOST_WARNINGS:
        console.print(f"{stream.key}: and {len(warnings) - MOST_WARNINGS} more warnings", highlight=False)
    return not errors


def verdict_lines(found: Verdicts) -> list[str]:
    """One line for each red check, the oldest partition first."""
    return [
        f"{window.partition} {claim.name} does not hold: {claim.says}"
        for window, claims in sorted(found.items())
        for claim in claims
    ]


def tell_failures(console: Console, loaded: Loaded) -> None:
    """Prints partitions that are not loaded, and why; those that one order or answer was for together."""
    by_error: dict[str, list[Window]] = {}
    for window in sorted(loaded.windows):
        if error := loaded.failed.get(window.partition):
            by_error.setdefault(error, []).append(window)
    for error, windows in by_error.items():
        console.print(f"[red]{named(windows)}[/red] failed: {escape(error)}", highlight=False, soft_wrap=True)
    for says in loaded.run_failures:
        console.print(says, highlight=False, markup=False)


def named(windows: Sequence[Window], most: int = MOST_SPANS) -> str:
    """Names partitions, those in a row by their first and last; the first spans alone if there are many."""
    runs = contiguous(windows, max(1, len(windows)))
    names = [run[0].partition if len(run) == 1 else f"{run[0].partition} to {run[-1].partition}" for run in runs]
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more spans" if len(names) > most else shown
