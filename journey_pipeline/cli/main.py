"""The program `journey-pipeline`: how it starts, ends and reports errors.

Not here: the commands (`commands.py`).
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
import traceback
from pathlib import Path

import click

from journey_pipeline.cli.commands import cli
from journey_pipeline.cli.standard_streams import (
    open_closed_streams,
    read_no_more,
    take_any_letter,
    takes_output,
    terminal_kept,
    visible,
)
from journey_pipeline.cli.stopping import stoppable
from journey_pipeline.errors import JourneyError, text_of
from journey_pipeline.files import refusal
from journey_pipeline.settings import as_text, home, load_environment_file

USAGE = 2
OWNER_ALONE = 0o077


def main() -> None:
    """Runs the command and exits: 0 done, 1 not everything done, 2 wrong usage or configuration.

    It exits with 130 after Ctrl-C, with 143 after SIGTERM and with 129 once its terminal is closed.
    """
    os.umask(OWNER_ALONE)  # any file may hold personal data
    open_closed_streams()
    take_any_letter()
    # DuckDB's extension calls what is not taken apart at the end a leak, on standard error.
    atexit.register(gc.unfreeze)
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
        code = USAGE if error.of_connection else 1
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
