"""`journey-pipeline status`: what is complete, missing and red of each stream.

Not here: the state of a partition (`loading/plan.py`).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import click

from journey_pipeline.cli.configured import configured
from journey_pipeline.cli.output import notes, plain_table, results
from journey_pipeline.connections.project import select
from journey_pipeline.errors import WarehouseError
from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.claims import Severity
from journey_pipeline.loading.partition import LoadSettings
from journey_pipeline.loading.plan import State, Survey, Verdicts, of_severity, survey, verdicts, whole_span
from journey_pipeline.model import Window, iso
from journey_pipeline.settings import home, utc_now
from journey_pipeline.vendors.source import Stream
from journey_pipeline.warehouse.publish import glance_at_published
from journey_pipeline.warehouse.questions import LOOKALIKES, count_lookalikes


def status(selector: str | None, *, as_json: bool) -> None:
    """Show what is complete, missing or red."""
    lake = Lake(home())
    chosen = select(configured(), selector)
    rows = [_row(lake, stream, connection.load_settings) for connection, stream in chosen]
    for row in rows:
        _tell_lookalikes(row)
        _tell_to_normalize(row)
        for damage in row["damaged"]:
            notes.say(f"{row['stream']} damaged: {damage}")
        for red in row["red"]:
            line = f"{row['stream']} {red['partition']} {red['check']} does not hold: {red['says']}"
            notes.say(line, style="red")
        for warned in row["warned"]:
            line = f"{row['stream']} {warned['partition']} {warned['check']} does not hold: {warned['says']}"
            notes.say(line, style="yellow")
    published = glance_at_published(lake)
    if published:
        notes.say(published, style="red")
    if as_json:
        click.echo(json.dumps(rows, indent=1))
    else:
        results.print_whole(_table(rows))
    wrong = ("missing", "not_normalized", "damaged", "red")
    sys.exit(1 if published or any(row[name] for row in rows for name in wrong) else 0)


def _tell_to_normalize(row: Mapping[str, Any]) -> None:
    """Prints the number of partitions without events. Damaged ones have lines of their own."""
    number = row["to_normalize"]
    if number:
        what = "1 partition has" if number == 1 else f"{number:,} partitions have"
        line = f"{row['stream']}: {what} landed without events. Run `journey-pipeline normalize {row['stream']}`"
        notes.print(line, highlight=False, soft_wrap=True)


def _lookalikes(lake: Lake, stream: Stream) -> Mapping[str, int]:
    """Counts events that look like corrections, for vendors without ids. A failure is printed as a warning."""
    try:
        return count_lookalikes(lake, stream.key, stream.lookalikes)
    except WarehouseError as error:
        notes.say(str(error), style="yellow")
        return {}


def _tell_lookalikes(row: Mapping[str, Any]) -> None:
    for name, alike in (
        ("lookalikes", "person, time and action as another, with other content. The vendor may have corrected them"),
        ("of_several_people", "visitor, time and action as another person's. The vendor may have merged people"),
    ):
        if row[name]:
            says = f"{row['stream']}: {row[name]:,} events have the same {alike}. All are kept"
            notes.print(says, highlight=False, soft_wrap=True)


def _row(lake: Lake, stream: Stream, settings: LoadSettings) -> dict[str, Any]:
    now = utc_now()
    span = whole_span(stream, now)
    found = survey(lake, stream, span, now, settings) if span else Survey(stream, {}, now)
    complete = found.windows(State.COMPLETE)
    missing = found.windows(State.MISSING)
    landed = found.windows(State.LANDED)
    first_lost = found.expires_in(missing[0]) if missing else None
    alike = _lookalikes(lake, stream)
    return {
        "stream": str(stream.key),
        "first": iso(complete[0].start) if complete else None,
        "last": iso(complete[-1].end) if complete else None,
        "complete": len(complete),
        "not_normalized": len(landed),
        "to_normalize": len([window for window in landed if window not in found.damage]),
        "damaged": list(found.damage.values()),
        "red": _claims(found.red),
        "warned": _claims(_warned(lake, stream, settings, complete)),
        "missing": len(missing),
        "expired": _expired_after_first(found),
        "oldest_missing": missing[0].partition if missing else None,
        "hours_until_deleted": round(first_lost / timedelta(hours=1), 1) if first_lost is not None else None,
        **{kind: alike.get(kind) for kind in LOOKALIKES},
    }


def _claims(found: Verdicts) -> list[dict[str, str]]:
    return [
        {"partition": window.partition, "check": claim.name, "says": claim.says}
        for window, claims in found.items()
        for claim in claims
    ]


def _warned(lake: Lake, stream: Stream, settings: LoadSettings, complete: Sequence[Window]) -> Verdicts:
    """The warnings that no command has said."""
    return of_severity(Severity.WARN, verdicts(lake, stream, stream.loaded_unsaid(complete), settings))


def _expired_after_first(found: Survey) -> int:
    """Partitions that expired after the first landed one. Earlier ones were never asked for."""
    seen = [state for state in found.states.values() if state is not State.FUTURE]
    landed = [i for i, state in enumerate(seen) if state in {State.COMPLETE, State.LANDED}]
    return seen[landed[0] :].count(State.EXPIRED) if landed else 0


def _table(rows: list[dict[str, Any]]) -> Any:
    figures = ("complete", "not normalized", "red", "missing", "expired", "hours until deleted")
    table = plain_table("stream", "first", "last", *figures, "oldest missing", right=figures)
    for row in rows:
        table.add_row(
            row["stream"],
            (row["first"] or "-").removesuffix(":00Z"),
            (row["last"] or "-").removesuffix(":00Z"),
            f"{row['complete']:,}",
            f"{row['not_normalized']:,}",
            f"[red]{len(row['red']):,}[/red]" if row["red"] else "0",
            f"[red]{row['missing']:,}[/red]" if row["missing"] else "0",
            f"{row['expired']:,}",
            "-" if row["hours_until_deleted"] is None else f"{row['hours_until_deleted']:,}",
            row["oldest_missing"] or "-",
        )
    return table
