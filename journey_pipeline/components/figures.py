"""The check that holds what a vendor counts itself against the events of the last whole week.

Not here: asking the vendor (`vendors/`), checks of a partition (`loading/checks.py`).
"""

from collections.abc import Mapping
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

import dagster as dg

from journey_pipeline.components.load_assets import LoadAssets
from journey_pipeline.components.schedules import REDNESS
from journey_pipeline.components.standing_checks import Standing
from journey_pipeline.errors import JourneyError
from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.claims import Tolerance
from journey_pipeline.model import Figure, Figures, Granularity, Window, floor
from journey_pipeline.settings import home, utc_now
from journey_pipeline.warehouse.questions import counted_events

_WEEK = timedelta(days=7)
_SETTLED_AFTER = timedelta(days=1)  # most of what is late has come by then
_SHOWN = 50


def figures_result(theirs: Figures, ours: Figures, tolerance: Tolerance, week: Window) -> dg.AssetCheckResult:
    """The result for both counts: a warning at most, since the vendor counts arrivals, by the account's own days."""
    rows = [(one, theirs[one], ours.get(one, 0)) for one in theirs]
    apart = [
        (one, told, have)
        for one, told, have in rows
        if abs(told - have) > max(tolerance.rows, tolerance.fewer_share * told)
    ]
    apart.sort(key=lambda row: -abs(row[1] - row[2]))
    says = f"{len(rows)} figures from {week.start:%Y-%m-%d} to {week.end:%Y-%m-%d}, {len(apart)} of them differ"
    if apart:
        one, told, have = apart[0]
        step = f" campaign {one.activity_id}" if one.activity_id else ""
        says += (
            f" by more than {tolerance.fewer_share:.0%}. Most: journey {one.journey_id}{step} {one.what}: {have:,} "
            f"events, {told:,} in the panel. Check the segment. The panel counts by the account's days, and may count "
            "dry runs"
        )
    table = [_record(*row) for row in (apart or rows)[:_SHOWN]]
    return _result(
        says,
        holds=not apart,
        metadata={**_sums(theirs, ours), "figures": dg.MetadataValue.table(table)} if table else {},
    )


def _result(says: str, *, holds: bool, metadata: Mapping[str, Any]) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=FIGURES.name,
        passed=holds,
        severity=dg.AssetCheckSeverity.WARN,
        description=says,
        metadata=dict(metadata),
    )


def _sums(theirs: Figures, ours: Figures) -> dict[str, int]:
    """All that was counted, ours less theirs."""
    found: dict[str, int] = {}
    for one, told in theirs.items():
        found[f"{one.what}_in_panel"] = found.get(f"{one.what}_in_panel", 0) + told
        found[f"{one.what}_difference"] = found.get(f"{one.what}_difference", 0) + ours.get(one, 0) - told
    return found


def _record(one: Figure, told: int, have: int) -> dg.TableRecord:
    return dg.TableRecord(
        {
            "journey_id": one.journey_id,
            "campaign": one.activity_id,
            "what": one.what,
            "in_panel": told,
            "events": have,
            "difference": have - told,
        }
    )


def last_whole_week(now: datetime) -> Window:
    """The last week from Monday to Sunday, UTC, that ended a day ago or longer."""
    day = floor(now - _SETTLED_AFTER, Granularity.DAY)
    end = day - timedelta(days=day.weekday())
    return Window(end - _WEEK, end)


def _judge(assets: LoadAssets) -> dg.AssetCheckResult:
    week = last_whole_week(utc_now())
    try:
        with closing(assets.open_source()) as source:
            theirs = source.figures(week)
        if theirs is None:
            return _result("there is no key for the vendor's own figures", holds=True, metadata={})
        ours = counted_events(Lake(home()), assets.stream.key, week)
    except JourneyError as error:
        return _result(f"the figures can't be compared: {error}", holds=False, metadata={})
    return figures_result(theirs, ours, assets.settings.tolerance, week)


FIGURES = Standing(
    "vendor_figures_agree",
    "The vendor's own figures of the last whole week are those of the events.",
    "events",
    "figures",
    "Asks the vendor for its own figures of {}.",
    REDNESS,
    _judge,
)
