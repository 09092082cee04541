"""`journey-pipeline exports`: the exports ordered from vendors, and their state.

Not here: the ledger (`exports/`), moving exports (`loading/exports.py`).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import click
from rich.markup import escape

from journey_pipeline.cli.output import plain_table, results
from journey_pipeline.components.deployment import load_deployment
from journey_pipeline.exports.database import open_ledger
from journey_pipeline.exports.export import needs_a_person
from journey_pipeline.exports.orders import give_up
from journey_pipeline.exports.turns import OPS_COLUMNS, listed, rows
from journey_pipeline.settings import ledger_url, utc_now

TIMES = ("requested_at", "ready_at", "landed_at", "due_at")


@click.command(
    epilog="""\b
Examples:
  journey-pipeline exports
  journey-pipeline exports apsis --all
  journey-pipeline exports --json
  journey-pipeline exports --give-up 17
"""
)
@click.argument("connection", required=False)
@click.option("--all", "with_ended", is_flag=True, help="Include landed and replaced exports.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option(
    "--give-up", "hopeless", type=int, multiple=True, metavar="EXPORT", help="Give up this export; repeatable."
)
def exports(connection: str | None, *, with_ended: bool, as_json: bool, hopeless: Sequence[int]) -> None:
    """Show the exports ordered from vendors, and their state.

    To order a stopped or given-up export again, run `journey-pipeline backfill CONNECTION/STREAM --from DAY --to DAY`.

    Exits with 1 if an export has stopped or is overdue.
    """
    with open_ledger(ledger_url()) as ledger:
        for export_id in hopeless:
            give_up(ledger, export_id, at=utc_now())
        found = [
            dict(zip((c.name for c in OPS_COLUMNS), row, strict=True))
            for row in rows(listed(ledger, connection=connection, with_ended=with_ended))
        ]
    if connection and not found:
        load_deployment().connection(connection)  # raises for an unknown connection
    if as_json:
        click.echo(json.dumps(found, indent=1, default=str))
    elif found:
        _show(found)
    else:
        results.print("no export is under way" if not with_ended else "no export was ordered so far")
    sys.exit(1 if any(needs_a_person(export["state"], export["reason"]) for export in found) else 0)


def _show(found: Sequence[dict[str, Any]]) -> None:
    names = ("stream", "window", "state", "reason", "attempt", "polls", *(name.removesuffix("_at") for name in TIMES))
    table = plain_table("export", *names, right=("export", "attempt", "polls"))
    for export in found:
        state, reason = export["state"], export["reason"]
        table.add_row(
            str(export["export_id"]),
            f"{export['connection']}/{export['stream']}",
            f"{export['window_start']:%Y-%m-%d %H:%M} to {export['window_end']:%m-%d %H:%M}",
            f"[red]{state}[/red]" if needs_a_person(state, reason) else state,
            reason or "-",
            str(export["attempt"]),
            str(export["polls"]),
            *(f"{export[name]:%m-%d %H:%M:%S}" if export[name] else "-" for name in TIMES),
        )
    results.print_whole(table)
    for export in found:
        if export["error"]:
            results.print(f"{export['export_id']}: {escape(export['error'])}", highlight=False, soft_wrap=True)
