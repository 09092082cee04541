"""`journey-pipeline completion`: the script by which a shell completes commands, options and connections.

Click makes it, which reads the command line anyway: another library would be one more to start. Not here: what is
completed to (`arguments.py`).
"""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from journey_pipeline.cli.commands import NAME, cli

_VARIABLE = f"_{NAME.upper().replace('-', '_')}_COMPLETE"  # as click derives it from the program's name


def completion(shell: str) -> None:
    """Print the script for a shell."""
    of_shell = get_completion_class(shell)
    if of_shell is None:
        raise click.UsageError(f"{shell} can't complete commands")
    click.echo(of_shell(cli, {}, NAME, _VARIABLE).source())
