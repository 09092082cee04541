"""`journey-pipeline sandbox`: the simulated vendors on this machine.

Not here: the simulation (`sandbox/`).
"""

from __future__ import annotations

import click

from journey_pipeline.cli.output import notes
from journey_pipeline.cli.stopping import ends_by_itself
from journey_pipeline.sandbox.faults import FAULTS
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.server import DEFAULT_PORT, run
from journey_pipeline.sandbox.world import World

KINDS = "\n".join(f"  {name:<17} {fault.does}" for name, fault in FAULTS.items())


@click.command(
    epilog=f"""\b
Examples:
  journey-pipeline sandbox
  journey-pipeline sandbox --port 9000 --seed 11 --rows-per-hour 50000
  journey-pipeline sandbox --fault download:503~0.1 --fault token:429@1
\b
Kinds of faults. The vendor:
{KINDS}
"""
)
@click.option("--port", default=DEFAULT_PORT, show_default=True, help="Port on 127.0.0.1; 0 picks a free one.")
@click.option("--seed", default=7, show_default=True, help="Seed of the simulated history.")
@click.option("--rows-per-hour", default=2_000, show_default=True, help="Events in an average hour.")
@click.option(
    "--fault", "faults", multiple=True, metavar="RULE", help="Fault, as route:kind, on the @nth call or at a ~rate."
)
def sandbox(port: int, seed: int, rows_per_hour: int, faults: tuple[str, ...]) -> None:
    """Serve the simulated vendors until stopped.

    Prints the variables that point a deployment to them. History reaches back 30 days.
    """
    ends_by_itself()
    run(port=port, world=World(seed=seed, rows_per_hour=rows_per_hour), faults=faults, on_ready=_tell)


def _tell(running: Sandbox) -> None:
    for name, value in running.environment().items():
        click.echo(f"export {name}={value}")
    notes.print(f"Serving on {running.url} until Ctrl-C")
