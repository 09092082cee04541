"""`journey-pipeline exports`: the exports ordered from vendors, their state, and links that a person has for them.

Not here: the ledger (`exports/`), moving exports (`loading/exports.py`), what a link must be (`vendors/`).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import click
from rich.markup import escape

from journey_pipeline.cli.configured import configured
from journey_pipeline.cli.output import days, duration, plain_table, results
from journey_pipeline.connections.project import named
from journey_pipeline.errors import ConfigError, LedgerError
from journey_pipeline.exports import calls
from journey_pipeline.exports.calls import Told
from journey_pipeline.exports.database import open_ledger
from journey_pipeline.exports.export import ENDED, Export, State, Verdict
from journey_pipeline.exports.ledger import Ledger, Transaction
from journey_pipeline.exports.orders import give_up
from journey_pipeline.exports.policy import ExportPolicy
from journey_pipeline.exports.turns import listed, shown, stuck
from journey_pipeline.model import Window, selection
from journey_pipeline.settings import ledger_url, utc_now
from journey_pipeline.vendors.judges import judge_of

_NOTHING = {"-", "0"}


def exports(
    connection: str | None,
    *,
    with_ended: bool,
    as_json: bool,
    hopeless: Sequence[int],
    linked: int | None,
    quarantined: bool,
) -> None:
    """Show the exports ordered from vendors, and their state."""
    if quarantined and linked is None:
        raise click.UsageError("--quarantined goes with --link EXPORT")
    with open_ledger(ledger_url()) as ledger:
        if linked is not None:
            sys.exit(_take_link(ledger, linked, quarantined=quarantined))
        for export_id in hopeless:
            give_up(ledger, export_id, at=utc_now())
        found = _found(ledger, connection, with_ended=with_ended)
    if connection and not found:
        named(configured(), connection)  # raises for an unknown connection
    if as_json:
        click.echo(json.dumps(found, indent=1, default=str))
    elif found:
        _show(found)
    else:
        results.print("no export is under way" if not with_ended else "no export was ordered so far")
    sys.exit(1 if any(export["needs_a_person"] for export in found) else 0)


def _found(ledger: Ledger, connection: str | None, *, with_ended: bool) -> list[dict[str, Any]]:
    with ledger.reading() as tx:
        called = calls.newest(tx)
        successors = calls.called_late(tx)
    found = listed(ledger, connection=connection, with_ended=True)
    needing = _needing_a_person(ledger, found)
    return [
        shown(export)
        | {"needs_a_person": export.id in needing}
        | _told(export, called.get(export.id), successors.get(export.id))
        for export in found
        if with_ended or export.state not in ENDED or export.id in successors
    ]


def _needing_a_person(ledger: Ledger, found: Sequence[Export]) -> set[int]:
    """The ids of exports that need a person, as the check `no_export_needs_a_person` has it."""
    at = utc_now()
    # Only of those that wait for another try does a setting say how long they may.
    waits = any(export.state is State.WANTED and export.tries for export in found)
    policies = {one.connection: one.export_policy for one in configured()} if waits else {}
    with ledger.reading() as tx:
        return {
            export.id
            for connection in {export.key.connection for export in found}
            for export in stuck(tx, connection, policies.get(connection, ExportPolicy()), at)
        }


def _told(export: Export, call: Told | None, successor: int | None) -> dict[str, Any]:
    """What is known of the vendor's newest call."""
    if call is None:
        return dict.fromkeys(("called_at", "call", "call_says", "link_ends_at"))
    has_link = export.state not in ENDED and (call.verdict is Verdict.DELIVERED or call.needs_a_person)
    newer = successor and f"its window is in export {successor}, which brings the same events"
    return {
        "called_at": call.at,
        "call": str(call.verdict),
        "call_says": newer or call.says,
        "link_ends_at": call.ends_at if has_link else None,
    }


def _show(found: Sequence[dict[str, Any]]) -> None:
    """Prints the exports. Columns that say nothing of any are left out."""
    now = utc_now()
    rows = [_cells(export, now) for export in found]
    said = [name for name in rows[0] if any(row[name] not in _NOTHING for row in rows) or name == "state"]
    figures = ("export", "attempt", "polls")
    table = plain_table(*said, right=figures, spare=("polls", "attempt", "called", "asked", "due", "landed"))
    for row in rows:
        table.add_row(*(row[name] for name in said))
    results.show(table)
    for export in found:
        for says in filter(None, (export["error"], _says_of_call(export))):
            results.print(f"{export['export_id']}: {escape(says)}", highlight=False, soft_wrap=True)


def _cells(export: dict[str, Any], now: datetime) -> dict[str, str]:
    state = export["state"]
    return {
        "export": str(export["export_id"]),
        "stream": f"{export['connection']}/{export['stream']}",
        "window": days(Window(export["window_start"], export["window_end"])),
        "state": f"[red]{state}[/red]" if export["needs_a_person"] else state,
        "reason": export["reason"] or "-",
        "attempt": "-" if export["attempt"] == 1 else str(export["attempt"]),
        "polls": str(export["polls"]),
        "asked": _time(export["asked_at"]),
        "called": _time(export["called_at"] or export["ready_at"]),
        "link ends in": _left(export["link_ends_at"], now),
        "landed": _time(export["landed_at"]),
        "due": _time(export["due_at"]),
    }


def _time(at: datetime | None) -> str:
    return f"{at:%m-%d %H:%M}" if at else "-"


def _left(end: datetime | None, now: datetime) -> str:
    if end is None:
        return "-"
    return duration(end - now) if end > now else "ended"


def _says_of_call(export: dict[str, Any]) -> str:
    if not export["call"] or export["call"] == Verdict.DELIVERED:
        return ""
    if export["state"] in ENDED and export["call"] != Verdict.LATE:
        return ""
    says = f"the vendor called: {export['call']}" + (f" ({export['call_says']})" if export["call_says"] else "")
    if export["call"] != Verdict.QUARANTINED or not export["link_ends_at"]:
        return says
    return (
        f"{says}. If the link is right, correct the variables of the connection for the receiver too, then run "
        f"`journey-pipeline exports --link {export['export_id']} --quarantined`."
    )


def _take_link(ledger: Ledger, export_id: int, *, quarantined: bool) -> int:
    """Takes a link for an export, given now or kept in quarantine; the exit code."""
    with ledger.reading() as tx:
        _open_export(tx, export_id)  # before a person is asked for a link that nothing waits for
    link = "" if quarantined else _given_link()
    with ledger.writing() as tx:
        export, at = _open_export(tx, export_id), utc_now()
        kept = calls.kept_back(tx, export) if quarantined else None
        if quarantined and kept is None:
            raise LedgerError(f"{export} has no link in quarantine, or its link has ended")
        if kept:
            judged = calls.judge(export.key.vendor, export.key.connection, kept.body, judge_of, at=kept.at)
        else:
            judged = judge_of(export.key.vendor, export.key.connection)(link, at)
        if judged is None or judged.breaks:
            raise ConfigError(f"the link was not taken: {judged.breaks if judged else 'it is none'}.")
        taking = calls.release(tx, kept, judged, at=at) if kept else None
        verdict = taking or calls.give(tx, export, link, judged, at=at)
    return _tell(export, verdict)


def _open_export(tx: Transaction, export_id: int) -> Export:
    export = tx.get(export_id)
    if export.state in ENDED:
        again = f"journey-pipeline backfill {selection(export.key, export.window)} --again"
        raise LedgerError(f"{export} has ended; order its window again with `{again}`")
    return export


def _given_link() -> str:
    """The link from standard input; it is not shown on a terminal, and in no list of processes."""
    if sys.stdin.isatty():
        given: str = click.prompt("Link", hide_input=True, err=True)
        return given.strip()
    return sys.stdin.read(1 << 20).strip()


def _tell(export: Export, verdict: Verdict) -> int:
    if verdict is Verdict.DELIVERED:
        fetch = f"journey-pipeline backfill {selection(export.key, export.window)}"
        results.print(f"export {export.id}: its link is taken. The sensor fetches it, or `{fetch}`.", highlight=False)
        return 0
    results.print(f"export {export.id}: the link was not taken: {verdict}", highlight=False)
    return 1
