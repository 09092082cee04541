"""The command itself: its subcommands, each in a module that is imported when it is called, and its errors.

Not here: what a subcommand does (the module it is named after).
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from pathlib import Path

import click

from journey_pipeline import __version__
from journey_pipeline.cli.output import read_no_more, take_any_letter, takes_output, terminal_kept, visible
from journey_pipeline.cli.stopping import stoppable
from journey_pipeline.errors import ConfigError, JourneyError, text_of
from journey_pipeline.files import refusal
from journey_pipeline.settings import home, load_environment_file

COMMANDS = {
    "demo": ("journey_pipeline.cli.demo", "Load a day of simulated history and show what comes of it."),
    "dev": ("journey_pipeline.cli.dev", "Run sandbox, webserver and daemon together."),
    "sandbox": ("journey_pipeline.cli.sandbox", "Serve the simulated vendors until stopped."),
    "doctor": ("journey_pipeline.cli.doctor", "Check configuration, credentials and reachability."),
    "backfill": ("journey_pipeline.cli.backfill", "Load what is missing of a span of time, up to the warehouse."),
    "reconcile": ("journey_pipeline.cli.reconcile", "Ask the vendor again about what has landed; pull what drifted."),
    "normalize": ("journey_pipeline.cli.normalize", "Make events again from the landing, without the vendor."),
    "sync": ("journey_pipeline.cli.warehouse", "Bring the warehouse level with the lake, and publish it."),
    "rebuild": ("journey_pipeline.cli.warehouse", "Make the warehouse from nothing, and publish it."),
    "publish": ("journey_pipeline.cli.warehouse", "Put the warehouse in place for analysts."),
    "status": ("journey_pipeline.cli.status", "Show what is complete, missing, and about to be lost."),
    "exports": ("journey_pipeline.cli.exports", "Show what was ordered of the vendors, and how far it is."),
    "contact": ("journey_pipeline.cli.contact", "Show one person as the vendor tells them now, beside the warehouse."),
    "query": ("journey_pipeline.cli.query", "Ask the published warehouse in SQL."),
}
USAGE = 2
OWNER_ALONE = 0o077


class _Commands(click.Group):
    """Subcommands whose modules are imported only when called, so that help is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(COMMANDS[cmd_name][0]), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="journey-pipeline")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def cli(debug: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Customer-journey history, brought home from marketing platforms.

    Files lie under JOURNEY_PIPELINE_HOME (default: ./data). A .env file in the working directory is read.
    """
    _ = debug


def main() -> None:
    """Runs the command and ends the process: 0 done, 1 not all of it, 2 wrong usage or configuration.

    130 and 143 after Ctrl-C and SIGTERM.
    """
    os.umask(OWNER_ALONE)  # what any command writes may hold personal data
    take_any_letter()
    debug = "--debug" in sys.argv[1:]
    try:
        with terminal_kept(), stoppable():
            load_environment_file()
            code = cli.main(standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except BrokenPipeError:  # as `head` does once it has its lines
        read_no_more(sys.stdout)
        code = 1
    except JourneyError as error:
        if debug:
            raise
        click.echo(f"Error: {visible(str(error))}", err=True)
        code = USAGE if isinstance(error, ConfigError) else 1
    except Exception as error:
        if debug:
            raise
        click.echo(f"Error: {visible(_unforeseen(error))}", err=True)
        code = 1
    sys.exit(code if isinstance(code, int) else 0)


def _unforeseen(error: Exception) -> str:
    """One sentence for what nobody named better; an error's own text may hold anything, so only the disk's is told."""
    if isinstance(error, OSError) and error.strerror:
        if not takes_output():
            return f"the output can't be written ({text_of(error)}). What the command did is kept; send it elsewhere."
        return f"the command stopped: {refusal(error, Path(error.filename) if error.filename else home())}"
    where = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"nobody foresaw this {type(error).__name__} (line {where.lineno} of {Path(where.filename).name}). What had "
        "landed is kept. `journey-pipeline --debug` and the same again shows more: please report it."
    )


if __name__ == "__main__":
    main()
