"""The command `journey-pipeline`: finds its subcommands, imports one when it is called, and reports errors.

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
from journey_pipeline.settings import as_text, home, load_environment_file

COMMANDS = {
    "demo": ("journey_pipeline.cli.demo", "Load a day of simulated history and show the results."),
    "dev": ("journey_pipeline.cli.dev", "Run the sandbox, Dagster's webserver and its daemon."),
    "sandbox": ("journey_pipeline.cli.sandbox", "Serve the simulated vendors until stopped."),
    "receiver": ("journey_pipeline.cli.receiver", "Take the calls of vendors that answer by webhook."),
    "doctor": ("journey_pipeline.cli.doctor", "Check configuration, credentials, connections and files."),
    "backfill": ("journey_pipeline.cli.backfill", "Load the missing partitions of a time range."),
    "intake": ("journey_pipeline.cli.intake", "Take in files that people dropped in a connection's folder."),
    "reconcile": ("journey_pipeline.cli.reconcile", "Compare landed partitions with the vendor; reload changed ones."),
    "normalize": ("journey_pipeline.cli.normalize", "Make events again from landed files, without the vendor."),
    "sync": ("journey_pipeline.cli.warehouse", "Load changed events into the warehouse and publish it."),
    "rebuild": ("journey_pipeline.cli.warehouse", "Make the whole warehouse again and publish it."),
    "publish": ("journey_pipeline.cli.warehouse", "Copy the warehouse to journeys.duckdb for analysts."),
    "status": ("journey_pipeline.cli.status", "Show what is complete, missing or red."),
    "exports": ("journey_pipeline.cli.exports", "Show the exports ordered from vendors, and their state."),
    "contact": ("journey_pipeline.cli.contact", "Compare one person's events at the vendor and in the warehouse."),
    "query": ("journey_pipeline.cli.query", "Run SQL on the published warehouse."),
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
    """Loads customer-journey history from marketing platforms into Parquet and DuckDB.

    Files are under JOURNEY_PIPELINE_HOME (default: ./data). Variables are read from the environment and from .env in
    the working directory.
    """
    _ = debug


def main() -> None:
    """Runs the command and exits: 0 done, 1 not everything done, 2 wrong usage or configuration.

    It exits with 130 after Ctrl-C and with 143 after SIGTERM.
    """
    os.umask(OWNER_ALONE)  # any file may hold personal data
    take_any_letter()
    debug = "--debug" in sys.argv[1:]
    try:
        with terminal_kept(), stoppable():
            load_environment_file()
            for argument in sys.argv[1:]:
                as_text(argument, "an argument")
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
    """One sentence for an unexpected error. Its own text may hold anything, so only the disk's is shown."""
    if isinstance(error, OSError) and error.strerror:
        if not takes_output():
            return f"the output can't be written ({text_of(error)}). The command's work is kept; write elsewhere."
        return f"the command stopped: {refusal(error, Path(error.filename) if error.filename else home())}"
    where = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"unexpected {type(error).__name__} in line {where.lineno} of {Path(where.filename).name}. Landed data is "
        "kept. Run the command again as `journey-pipeline --debug ...` for the traceback, and report it."
    )


if __name__ == "__main__":
    main()
