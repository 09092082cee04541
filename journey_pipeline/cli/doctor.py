"""`journey-pipeline doctor`: is everything there that a load needs?

Not here: what each vendor checks (`vendors/`).
"""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import click

from journey_pipeline.cli.output import notes, plain_table, results, route_logs
from journey_pipeline.components.deployment import load_deployment
from journey_pipeline.errors import JourneyError
from journey_pipeline.lake.atomic import write_bytes
from journey_pipeline.settings import HOME_VARIABLE, PUBLISHED_VARIABLE, make_home


@click.command(
    epilog="""\b
Examples:
  journey-pipeline doctor
  journey-pipeline doctor sfmc
"""
)
@click.argument("connection", required=False)
def doctor(connection: str | None) -> None:
    """Check configuration, credentials and reachability, with one harmless call to each route."""
    route_logs(notes)
    deployment = load_deployment()
    chosen = [deployment.connection(connection)] if connection else deployment.connections
    table = plain_table("what", "", "says")
    well = True
    checks = [("home", _home)] + [(component.connection, component.check) for component in chosen]
    for name, check in checks:
        try:
            said = check()
        except JourneyError as error:
            well = False
            table.add_row(name, "[red]fails[/red]", str(error))
        else:
            for what, answer in said.items():
                table.add_row(f"{name} {what}", "[green]ok[/green]", answer)
    results.print(table)
    sys.exit(0 if well else 1)


def _home() -> dict[str, str]:
    folder = make_home()
    try:
        write_bytes(folder / ".writable", b"")
        (folder / ".writable").unlink()
    except OSError as error:
        raise JourneyError(
            f"{folder} can't be written ({error.strerror}). Set {HOME_VARIABLE} to a folder that can."
        ) from error
    return {"": f"{folder} can be written", "rights": _rights(folder)}


def _rights(folder: Path) -> str:
    """What other users may do with the home, which holds personal data."""
    mode = stat.S_IMODE(folder.stat().st_mode)
    if not mode & stat.S_IRWXO:
        return "closed to other users"
    return (
        f"open to every user of this machine (mode {mode:o}), and it holds personal data: "
        f"run `chmod 700 {folder}`. Set {PUBLISHED_VARIABLE} to give analysts the warehouse alone"
    )
