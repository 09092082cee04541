"""`journey-pipeline backfill`: loads missing partitions, from the vendor to the published warehouse.

Not here: how partitions are run and shown (`load.py`).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime, timedelta

from journey_pipeline.cli.arguments import span
from journey_pipeline.cli.load import (
    Loaded,
    Planned,
    exit_code,
    load,
    look,
    named,
    order,
    partition_table,
    sync_warehouse,
    tell_outcome,
    to_load,
)
from journey_pipeline.cli.output import notes, plain_table, results, route_logs
from journey_pipeline.components.deployment import load_deployment
from journey_pipeline.components.instance import open_instance
from journey_pipeline.components.load_assets import LoadAssets
from journey_pipeline.components.runs import Runner
from journey_pipeline.errors import ConfigError
from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.plan import State, Survey, requests_for
from journey_pipeline.model import Window, contiguous, floor
from journey_pipeline.settings import home, utc_now


def backfill(
    selector: str, start: datetime | None, end: datetime | None, *, again: bool, plan: bool, no_wait: bool
) -> None:
    """Load the missing partitions of a time range."""
    route_logs(notes)
    now = utc_now()
    lake = Lake(home())
    complete = True
    with open_instance() as instance:
        runner = Runner(load_deployment(), instance, "backfill")
        chosen = runner.deployment.loaded_by("backfill", selector)
        surveys = [(assets, look(lake, assets, _span(assets, start, end, now), now)) for assets in chosen]
        plans = [Planned(assets, found, to_load(runner, assets, found, again=again)) for assets, found in surveys]
        if plan:
            for planned in plans:
                _show_plan(planned, again=again)
        else:
            order(runner, plans, again=again)
            for assets, found, windows in plans:
                if runner.faults and not complete:
                    break  # the stream before has told it
                complete = (
                    _show(lake, found, load(runner, assets, windows, again=again, waits=not no_wait)) and complete
                )
            complete = sync_warehouse(runner, selector.partition("/")[0]) and complete
    sys.exit(exit_code(runner, well=complete))


def _span(assets: LoadAssets, start: datetime | None, end: datetime | None, now: datetime) -> Window:
    granularity = assets.stream.granularity
    oldest = floor(now - assets.stream.retention, granularity) + granularity.duration
    start = start or max(oldest, assets.stream.start)
    end = end or floor(now, granularity)
    asked = span(start, end)
    if end <= assets.stream.start:
        raise ConfigError(
            f"{assets.stream.key} starts at {assets.stream.start:%Y-%m-%dT%H:%M} UTC. To load earlier data, set an "
            "earlier `start` in its defs.yaml."
        )
    if start < assets.stream.start:
        notes.print(
            f"{assets.stream.key} starts at {assets.stream.start:%Y-%m-%dT%H:%M} UTC. To load earlier data, set an "
            "earlier `start` in its defs.yaml.",
            highlight=False,
            soft_wrap=True,
        )
    if not asked.partitions(granularity):
        raise ConfigError(f"--from and --to hold no whole {granularity.value} ({asked})")
    return asked


def _show(lake: Lake, found: Survey, loaded: Loaded) -> bool:
    key = loaded.assets.stream.key
    if came := [window for window in loaded.windows if window.partition not in loaded.failed]:
        results.show(partition_table(lake, loaded.assets, came))
    elif not loaded.windows:
        results.print(f"{key}: nothing to do, all {len(found.windows(State.COMPLETE))} partitions have landed")
    well = tell_outcome(notes, lake, loaded, found)
    expired = found.windows(State.EXPIRED)
    if expired:
        notes.print(f"{key}: {len(expired)} partitions never landed, and the vendor has deleted them: {named(expired)}")
    return well and not expired


def _show_plan(planned: Planned, *, again: bool) -> None:
    assets, found, windows = planned
    title = f"{assets.stream.key}: plan"
    table = plain_table("what", "partitions", "which", right=("partitions",), text=("which",), title=title)
    rows = {
        "complete": found.windows(State.COMPLETE),
        "landed without events": found.windows(State.LANDED),
        "expired, never landed": found.windows(State.EXPIRED),
        "not over yet": found.windows(State.FUTURE),
        "to ask the vendor for": [w for w in windows if again or found.states[w] is State.MISSING],
    }
    for what, which in rows.items():
        table.add_row(what, f"{len(which):,}", named(which))
    results.show(table)
    asked = rows["to ask the vendor for"]
    if orders := assets.orders(asked):
        _show_orders(orders)
    elif asked:
        requests = requests_for(assets.stream, len(asked))
        seconds = requests / assets.requests_per_s
        spans = [Window(run[0].start, run[-1].end) for run in contiguous(asked, len(asked))]
        estimates = assets.estimates(spans)
        expected = f"{sum(estimate.rows for estimate in estimates):,} rows expected" if estimates else "no estimate"
        results.print(f"{requests:,} requests, {expected}, at least {timedelta(seconds=round(seconds))}")


def _show_orders(orders: Sequence[tuple[Window, datetime]]) -> None:
    """Which day's request each order would cost, where the vendor takes so many a day."""
    table = plain_table("order", "days", "costs the request of", right=("days",))
    now = utc_now()
    for window, at in orders:
        days = f"{window.start:%Y-%m-%d} to {window.end - timedelta(microseconds=1):%Y-%m-%d}"
        when = f"{at:%Y-%m-%d}, from {at:%H:%M} UTC on" if at > now else f"{at:%Y-%m-%d}, today"
        table.add_row(days, f"{window.duration / timedelta(days=1):g}", when)
    results.show(table)
