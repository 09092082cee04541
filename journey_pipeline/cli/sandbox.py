"""`journey-pipeline sandbox`: the simulated vendors on this machine.

Not here: the simulation (`sandbox/`).
"""

from __future__ import annotations

import click

from journey_pipeline.cli.output import notes
from journey_pipeline.cli.stopping import ends_by_itself
from journey_pipeline.sandbox.options import SandboxOptions
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.server import run
from journey_pipeline.sandbox.world import World


def sandbox(*, host: str, port: int, seed: int, rows_per_hour: int, days: int | None, faults: tuple[str, ...]) -> None:
    """Serve the simulated vendors until stopped."""
    ends_by_itself()
    world = World(seed=seed, rows_per_hour=rows_per_hour, names="plausible")
    options = SandboxOptions.keeping(days) if days else None
    run(host, port, world=world, options=options, faults=faults, on_ready=_tell)


def _tell(running: Sandbox) -> None:
    for name, value in running.environment().items():
        click.echo(f"export {name}={value}")
    notes.print(f"Serving on {running.url} until Ctrl-C")
