"""`journey-pipeline contact`: compares one person's events at the vendor and in the warehouse.

Not here: asking (`loading/contact.py`), comparing (`warehouse/contact.py`).
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence

from rich.markup import escape

from journey_pipeline.cli.configured import configured
from journey_pipeline.cli.output import notes, plain_table, results, route_logs
from journey_pipeline.connections.connection import Connection
from journey_pipeline.connections.project import named
from journey_pipeline.errors import ConfigError
from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.contact import ask_for_person
from journey_pipeline.settings import home
from journey_pipeline.warehouse.contact import TimelineEvent, compare_person

BOTH, ONLY_TOLD, ONLY_KNOWN, NOT_LOADED = "both", "vendor only", "warehouse only", "not loaded"


def contact(email: str, connection: str | None) -> None:
    """Compare one person's events at the vendor and in the warehouse."""
    route_logs(notes)
    agree = True
    for one in _answering(configured(), connection):
        agree = _show(one, email) and agree
    sys.exit(0 if agree else 1)


def _answering(connections: Sequence[Connection], name: str | None) -> Sequence[Connection]:
    answering = [one for one in connections if one.answers_for_people]
    others = ", ".join(one.connection for one in answering) or "none"
    chosen = [named(connections, name)] if name else answering
    if not chosen or not chosen[0].answers_for_people:
        raise ConfigError(
            f"{name or 'all connections'}: the vendor does not answer for a single person; "
            f"connections whose vendor does: {others}"
        )
    return chosen


def _show(connection: Connection, email: str) -> bool:
    source = connection.open_people()
    lake = Lake(home())
    key = source.stream.key
    try:
        with ask_for_person(lake, source, email, connection.load_settings.limits) as asked:
            timeline = compare_person(lake, key, email=email, told=asked.events, since=asked.since)
    finally:
        source.close()
    events = timeline.events
    sides = [_side(event, is_loaded=timeline.is_loaded(event.occurred_at)) for event in events]
    table = plain_table(
        "at (UTC)", "channel", "action", "journey", "activity", "", title=f"{key}: {len(events)} events"
    )
    for event, side in zip(events, sides, strict=True):
        mark = f"[red]{side}[/red]" if side in {ONLY_TOLD, ONLY_KNOWN} else "" if side == BOTH else side
        at = f"{event.occurred_at:%Y-%m-%d %H:%M:%S}"
        table.add_row(at, event.channel, event.action, _text(event.journey_name), _text(event.activity_name), mark)
    results.show(table)
    counts = Counter(sides)
    results.print(
        f"{counts[BOTH]} on both sides, {counts[ONLY_TOLD]} only at the vendor, {counts[ONLY_KNOWN]} only in the "
        f"warehouse, {counts[NOT_LOADED]} from before the first load or after the last"
    )
    return not counts[ONLY_TOLD] and not counts[ONLY_KNOWN]


def _side(event: TimelineEvent, *, is_loaded: bool) -> str:
    if event.is_told and event.is_known:
        return BOTH
    if event.is_known:
        return ONLY_KNOWN
    return ONLY_TOLD if is_loaded else NOT_LOADED


def _text(value: str | None) -> str:
    return escape(value or "")
