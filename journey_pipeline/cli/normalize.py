"""`journey-pipeline normalize`: makes events again from landed files; with `--diff`, says what that would change.

Not here: how partitions are run and shown (`load.py`), the comparison (`normalize/difference.py`).
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING

from rich.table import Table

from journey_pipeline.cli.arguments import span
from journey_pipeline.cli.configured import configured
from journey_pipeline.cli.load import load, look, partition_table, sync_warehouse, tell_outcome
from journey_pipeline.cli.output import notes, plain_table, results, route_logs
from journey_pipeline.cli.progress import ProgressBar
from journey_pipeline.components.deployment import load_deployment
from journey_pipeline.components.instance import open_instance
from journey_pipeline.components.runs import Runner
from journey_pipeline.connections.project import select
from journey_pipeline.errors import JourneyError
from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.partition import LoadSettings, compare_events
from journey_pipeline.loading.plan import State, survey
from journey_pipeline.model import Window
from journey_pipeline.settings import home, normalizers, utc_now
from journey_pipeline.vendors.source import Stream

if TYPE_CHECKING:
    from journey_pipeline.normalize.difference import Difference

_MOST_KINDS = 3


def normalize(selector: str, start: datetime | None, end: datetime | None, *, diff: bool) -> None:
    """Make events again from landed files, without the vendor; with `diff` only say what would change."""
    if diff:
        _compare(selector, start, end)
    route_logs(notes)
    now = utc_now()
    lake = Lake(home())
    complete = True
    with open_instance() as instance:
        runner = Runner(load_deployment(), instance, "normalize")
        for assets in runner.deployment.streams(selector):
            asked = span(start or assets.stream.start, end or now)
            found = look(lake, assets, asked, now)
            windows = sorted({*found.windows(State.COMPLETE, State.LANDED), *found.damage})
            loaded = load(runner, assets, windows, pull=False, again=True)
            if windows:
                results.show(partition_table(lake, assets, windows, pulled=False))
            else:
                results.print(f"{assets.stream.key}: nothing has landed in {asked}")
            complete = tell_outcome(notes, lake, loaded) and complete
        complete = sync_warehouse(runner) and complete
    sys.exit(0 if complete else 1)


def _compare(selector: str, start: datetime | None, end: datetime | None) -> None:
    """Print what `normalize` would change, and change nothing."""
    route_logs(notes)
    complete = True
    for connection, stream in select(configured(), selector):
        complete = _compare_stream(stream, connection.load_settings, start, end) and complete
    results.say("Nothing was changed. Without --diff the events are made again.")
    sys.exit(0 if complete else 1)


def _compare_stream(stream: Stream, settings: LoadSettings, start: datetime | None, end: datetime | None) -> bool:
    lake, now = Lake(home()), utc_now()
    first = max(start or stream.start, stream.start)
    found = survey(lake, stream, Window(first, max(end or now, first + stream.granularity.duration)), now)
    windows = sorted({*found.windows(State.COMPLETE, State.LANDED), *found.damage})
    if not windows:
        results.say(f"{stream.key}: nothing has landed in this span")
        return True
    with ProgressBar(notes, len(windows), str(stream.key)) as bar, ThreadPoolExecutor(normalizers()) as pool:

        def one(window: Window) -> Difference | None:
            try:
                compared = compare_events(lake, stream, window, settings)
            except JourneyError as error:
                bar.done(window.partition, 0, str(error))
                return None
            bar.done(window.partition, compared.events[1] if compared else 0, None)
            return compared

        compared = [each for each in pool.map(one, windows) if each]
    _show(stream, compared)
    for partition, why in bar.failed.items():
        notes.say(f"{stream.key} {partition} can't be compared: {why}", style="red")
    return not bar.failed


def _show(stream: Stream, compared: list[Difference]) -> None:
    if not compared:
        return
    total, *others = compared
    for other in others:
        total.add(other)
    count = "1 partition" if len(compared) == 1 else f"{len(compared):,} partitions"
    results.say(
        f"{stream.key}: {count} compared; events {total.events[0]:,} before, {total.events[1]:,} "
        f"after; rejects {total.rejects[0]:,} before, {total.rejects[1]:,} after"
    )
    results.print(_table(total))


def _table(total: Difference) -> Table:
    table = plain_table("what", "events", "most often", right=("events",))
    table.add_row("added", f"{total.added.total():,}", _listed(_kinds(total.added)))
    table.add_row("gone", f"{total.gone.total():,}", _listed(_kinds(total.gone)))
    table.add_row("changed", f"{total.changed:,}", "")
    for column, events in sorted(total.columns.items()):
        samples = total.samples.get(column)
        table.add_row(f"  {column}", f"{events:,}", _listed(_changes(samples)) if samples else "not shown")
    return table


def _kinds(kinds: Counter[str]) -> Iterator[str]:
    return (f"{kind} ({events:,})" for kind, events in kinds.most_common(_MOST_KINDS))


def _changes(samples: Counter[tuple[str | None, str | None]]) -> Iterator[str]:
    for (before, after), events in samples.most_common(_MOST_KINDS):
        yield f"{_value(before)} → {_value(after)} ({events:,})"


def _value(value: str | None) -> str:
    return "NULL" if value is None else repr(value)


def _listed(told: Iterable[str]) -> str:
    return ", ".join(told)
