"""Parts of the command line: how its commands are listed, and what their arguments are read as and completed to.

Not here: which command takes which (`commands.py`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import click

from journey_pipeline.errors import ConfigError
from journey_pipeline.model import Window


class Commands(click.Group):
    """Commands in the order in which they were made, each with the first line of its help."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Their names."""
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        """Writes the list, in which no line is cut."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, (one.help or "").splitlines()[0]) for name, one in self.commands.items()])


class WithFaults(click.Command):
    """The sandbox's command, whose help lists the kinds of faults."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the kinds after the examples."""
        kinds = import_module("journey_pipeline.sandbox.faults").FAULTS
        lines = "".join(f"\n  {name:<17} {fault.does}" for name, fault in kinds.items())
        self.epilog = f"{self.epilog}\n\n\b\nKinds of faults. The vendor:{lines}"
        super().format_epilog(ctx, formatter)


def time(text: str) -> datetime:
    """An instant in UTC from `2026-11-01`, `2026-11-01T05`, `2026-11-01T05:00`, or with an offset.

    Raises:
        click.BadParameter: If it is none; says how to write one.
    """
    try:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):  # with an offset, the first and the last day of all may be none in UTC
        raise click.BadParameter(
            f"{text!r} is not a time; write 2026-11-01, 2026-11-01T05:00 or 2026-11-01T05:00+02:00"
        ) from None


def span(start: datetime, end: datetime) -> Window:
    """What lies between --from and --to.

    Raises:
        ConfigError: If that is nothing.
    """
    if start >= end:
        raise ConfigError(f"--from {start:%Y-%m-%dT%H:%M} is not before --to {end:%Y-%m-%dT%H:%M} UTC")
    return Window(start, end)


def known(context: click.Context, _: click.Parameter, selector: str) -> str:
    """A connection or stream of the project, asked for before a command imports Dagster, which takes seconds.

    Where only Dagster can read the project, the command itself refuses what it does not know.

    Raises:
        ConfigError: If there is no such connection or stream; names those there are.
    """
    if not context.resilient_parsing:  # as completion does
        project = import_module("journey_pipeline.connections.project")
        if (found := project.read_connections(Path.cwd())) is not None:
            project.select(found, selector)
    return selector


def connections(_: click.Context, __: click.Parameter, begun: str) -> list[str]:
    """The configured connections whose name begins so. Only their names are read: a key press is to take no second."""
    names = import_module("journey_pipeline.connections.project").connection_names(Path.cwd())
    return [name for name in names if name.startswith(begun)]
