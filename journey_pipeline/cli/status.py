"""`journey-pipeline status`: how far each stream is loaded, and what a person has to do.

Not here: the state of a partition (`loading/plan.py`), what the published file says (`warehouse/stream_figures.py`).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from operator import itemgetter
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from journey_pipeline.cli.configured import configured
from journey_pipeline.cli.output import duration, notes, plain_table, results
from journey_pipeline.connections.connection import Connection
from journey_pipeline.connections.project import select
from journey_pipeline.errors import WarehouseError
from journey_pipeline.lake.emptied import LEDGER_GONE, emptied
from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.claims import Severity
from journey_pipeline.loading.partition import LoadSettings
from journey_pipeline.loading.plan import Gaps, State, Survey, Verdicts, of_severity, survey, verdicts, whole_span
from journey_pipeline.model import Window, iso
from journey_pipeline.settings import home, ledger_url, utc_now
from journey_pipeline.vendors.source import Stream
from journey_pipeline.warehouse.publish import glance_at_published
from journey_pipeline.warehouse.stream_figures import LOOKALIKES, StreamFigures, count_lookalikes, stream_figures

_MILLION, _MANY = 1_000_000, 10_000_000
_HOUR = timedelta(hours=1)
Row = dict[str, Any]


def status(selector: str | None, *, as_json: bool) -> None:
    """Show how far each stream is loaded, and what a person has to do."""
    lake = Lake(home())
    chosen = select(configured(), selector)
    figures = _figures(lake)
    now = utc_now()
    rows = [_row(lake, connection, stream, figures.get(str(stream.key)), now) for connection, stream in chosen]
    used = [row for row in rows if not _is_apart(row)]
    wrong = [says for says in (_lost_ledger(lake), glance_at_published(lake)) if says]
    if as_json:
        click.echo(json.dumps(rows, indent=1))
    elif used:
        results.show(_table(used, now))
    _tell(rows, used, wrong)
    sys.exit(1 if wrong or any(row["needs_a_person"] for row in used) else 0)


def _is_apart(row: Row) -> bool:
    """Whether its connection is not configured, and nothing of it was ever loaded."""
    return bool(row["not_configured"]) and not any(
        row[name] for name in ("first", "loaded_at", "damaged", "not_normalized")
    )


def _tell(rows: Sequence[Row], used: Sequence[Row], wrong: Sequence[str]) -> None:
    """Prints what the table has no room for: first what is well, last what is worst."""
    unset = dict.fromkeys(row["stream"].partition("/")[0] for row in rows if _is_apart(row))
    if unset:
        notes.say(f"Not configured: {', '.join(unset)}. `journey-pipeline doctor` names the variables.")
    behind = [row for row in used if row["backlog"] and not row["emptied"]]
    if any(row["not_configured"] for row in behind):
        notes.say("Simulated vendors filled this home: earlier partitions come while `journey-pipeline dev` runs.")
    for says in _earlier([row for row in behind if not row["not_configured"]]):
        notes.say(says)
    for row in used:
        for says in row["notes"]:
            notes.say(says)
        for warned in row["warned"]:
            notes.say(_claim_line(row, warned), style="yellow")
    for says in dict.fromkeys([*(says for row in used for says in row["needs_a_person"]), *wrong]):
        notes.say(says, style="red")


def _earlier(rows: Sequence[Row]) -> Iterator[str]:
    """What loads earlier partitions; then, for each stream, when the vendor deletes the oldest, the soonest first."""
    if not rows:
        return
    yield "Earlier partitions ended before the first load. Dagster's gap filler loads them, and so does"
    yield "`journey-pipeline backfill CONNECTION`. The vendor deletes the oldest"
    width = max(len(row["stream"]) for row in rows)
    for row in sorted(rows, key=itemgetter("hours_until_deleted")):
        yield f"  of {row['stream']:{width}}  in {_left(row)}"


def _row(lake: Lake, connection: Connection, stream: Stream, figures: StreamFigures | None, now: datetime) -> Row:
    settings = connection.load_settings
    span = whole_span(stream, now)
    found = survey(lake, stream, span, now, settings) if span else Survey(stream, {}, now)
    complete, landed = found.windows(State.COMPLETE), found.windows(State.LANDED)
    gaps = Gaps.of(found, now, until=now - timedelta(hours=connection.missing_after_hours))
    begun = gaps.begun(lake)
    alike = _lookalikes(lake, stream)
    row: Row = {
        "stream": str(stream.key),
        "not_configured": connection.why_not_configured() or None,
        "first": iso(complete[0].start) if complete else None,
        "last": iso(complete[-1].end) if complete else None,
        "behind_hours": round((now - complete[-1].end) / _HOUR, 1) if complete else None,
        "loaded_at": iso(figures.landed_at) if figures else None,
        "rows": figures.events if figures else None,
        "emptied": emptied(lake, stream.key) if figures else "",
        "complete": len(complete),
        "not_normalized": len(landed),
        "to_normalize": len([window for window in landed if window not in found.damage]),
        "damaged": list(found.damage.values()),
        "red": _claims(found.red),
        "warned": _claims(_warned(lake, stream, settings, complete)),
        "missing": len(gaps.missing),
        "not_due": len(found.windows(State.MISSING)) - len(gaps.missing),
        "backlog": len(gaps.earlier(begun)),
        "urgent": gaps.is_urgent(connection.requests_per_second, begun),
        "expired": _expired_after_first(found),
        "oldest_missing": gaps.missing[0].partition if gaps.missing else None,
        "hours_until_deleted": round(gaps.deleted_in / _HOUR, 1) if gaps.deleted_in is not None else None,
        "exports_for_a_person": figures.exports_for_a_person if figures else 0,
        **{kind: alike.get(kind) for kind in LOOKALIKES},
    }
    unit = stream.granularity.value
    return row | {"notes": list(_notes(row, unit)), "needs_a_person": list(_needs(row, unit))}


def _figures(lake: Lake) -> Mapping[str, StreamFigures]:
    """What the published file says. A failure is printed as a warning: the lake says what is missing."""
    try:
        return stream_figures(lake)
    except WarehouseError as error:
        notes.say(str(error), style="yellow")
        return {}


def _lost_ledger(lake: Lake) -> str | None:
    """Whether the ledger's file is gone since the last sync, and what to do; told without importing what opens it."""
    kind, _, file = ledger_url().partition("?")[0].partition(":///")
    if kind == "sqlite" and lake.export_listing.exists() and not Path(file).exists():
        return LEDGER_GONE
    return None


def _lookalikes(lake: Lake, stream: Stream) -> Mapping[str, int]:
    """Counts events that look like corrections, for vendors without ids. A failure is printed as a warning."""
    try:
        return count_lookalikes(lake, stream.key, stream.lookalikes)
    except WarehouseError as error:
        notes.say(str(error), style="yellow")
        return {}


def _notes(row: Row, unit: str) -> Iterator[str]:
    """What is worth knowing, and needs nobody."""
    for name, alike in (
        ("lookalikes", "person, time and action as another, with other content. The vendor may have corrected them"),
        ("of_several_people", "visitor, time and action as another person's. The vendor may have merged people"),
    ):
        if row[name]:
            yield f"{row['stream']}: {row[name]:,} events have the same {alike}. All are kept"
    if row["expired"]:
        yield f"{row['stream']}: the vendor has deleted {_counted(row['expired'], unit)} that were never loaded"


def _needs(row: Row, unit: str) -> Iterator[str]:
    """What a person has to do, or to read."""
    name = row["stream"]
    if row["emptied"]:
        yield row["emptied"]
        return
    yield from (f"{name} damaged: {damage}" for damage in row["damaged"])
    yield from (_claim_line(row, red) for red in row["red"])
    if number := row["to_normalize"]:
        what = "1 partition has" if number == 1 else f"{number:,} partitions have"
        yield f"{name}: {what} landed without events. Run `journey-pipeline normalize {name}`"
    if lacks := _lacks(row, unit):
        yield f"{name}: {lacks}. Run `journey-pipeline backfill {name}`"
    if exports := row["exports_for_a_person"]:
        what = "1 export needs" if exports == 1 else f"{exports:,} exports need"
        yield f"{name}: {what} a person. See `journey-pipeline exports {name.partition('/')[0]}`"


def _lacks(row: Row, unit: str) -> str:
    """What is missing and needs a person, by the rule of the check `no_partition_is_missing`; empty if nothing is."""
    if row["not_configured"]:
        return ""  # nobody asks its vendor; a vendor that was simulated deletes nothing
    if row["missing"] and not (row["complete"] or row["not_normalized"]):
        return "nothing is loaded"
    gaps = row["missing"] - row["backlog"]
    if not (gaps or row["urgent"]):
        return ""
    earlier = f"{_counted(row['backlog'], unit)} from before the first load may be lost"
    said = f"{_counted(gaps, unit)} missing" if gaps else earlier
    return f"{said}. The vendor deletes the oldest, {row['oldest_missing']}, in {_left(row)}"


def _counted(number: int, unit: str) -> str:
    return f"{number:,} {unit}{'' if number == 1 else 's'}"


def _claim_line(row: Row, claim: Mapping[str, str]) -> str:
    return f"{row['stream']} {claim['partition']} {claim['check']} does not hold: {claim['says']}"


def _left(row: Row) -> str:
    return duration(timedelta(hours=row["hours_until_deleted"]))


def _claims(found: Verdicts) -> list[dict[str, str]]:
    return [
        {"partition": window.partition, "check": claim.name, "says": claim.says}
        for window, claims in found.items()
        for claim in claims
    ]


def _warned(lake: Lake, stream: Stream, settings: LoadSettings, complete: Sequence[Window]) -> Verdicts:
    """The warnings that no command has said: those of what people drop, which a sensor takes in."""
    unsaid = [] if stream.asks_vendor else complete
    return of_severity(Severity.WARN, verdicts(lake, stream, unsaid, settings))


def _expired_after_first(found: Survey) -> int:
    """Partitions that expired after the first landed one. Earlier ones were never asked for."""
    seen = [state for state in found.states.values() if state is not State.FUTURE]
    landed = [i for i, state in enumerate(seen) if state in {State.COMPLETE, State.LANDED}]
    return seen[landed[0] :].count(State.EXPIRED) if landed else 0


def _table(rows: Sequence[Row], now: datetime) -> Table:
    """A row for each stream. It fits 80 columns."""
    figures = ("rows", "last load", "behind", "missing", "earlier")
    table = plain_table("stream", *figures, right=figures)
    for row in rows:
        gaps = row["missing"] - row["backlog"]
        missing = ("-", "-") if row["emptied"] else (f"[red]{gaps:,}[/red]" if gaps else "0", f"{row['backlog']:,}")
        table.add_row(
            row["stream"],
            _number(row["rows"]),
            f"{duration(now - datetime.fromisoformat(row['loaded_at']))} ago" if row["loaded_at"] else "-",
            "-" if row["behind_hours"] is None else duration(timedelta(hours=row["behind_hours"])),
            *missing,
        )
    return table


def _number(number: int | None) -> str:
    if number is None:
        return "-"
    return f"{number:,}" if number < _MANY else f"{number / _MILLION:,.1f} M"
