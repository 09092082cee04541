"""The commands as a person sees them: arguments, options, help and examples, all in one place.

A command's work is the function of its name in a module beside this one. That module is imported when the command runs:
help takes no second to import Dagster. Not here: how the program starts, ends and reports errors (`main.py`).
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from types import ModuleType
from typing import Any

import click

from journey_pipeline import __version__
from journey_pipeline.cli.arguments import Commands, WithFaults, connections, known, span, time

NAME = "journey-pipeline"
SANDBOX_HOME, SANDBOX_HOST, SANDBOX_PORT = "data/sandbox", "127.0.0.1", 8765
RECEIVER_HOST, RECEIVER_PORT = "127.0.0.1", 8770


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name=NAME)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def cli(debug: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Loads customer-journey history from marketing platforms into Parquet and DuckDB.

    Files are under JOURNEY_PIPELINE_HOME (default: ./data). Variables are read from the environment and from .env in
    the working directory.
    """


def _command(module: str, *examples: str, cls: type[click.Command] = click.Command) -> Callable[[Any], click.Command]:
    """A command with a docstring for its help; its work is the function of the same name in a module of `cli/`."""

    def made(shown: Callable[[], None]) -> click.Command:
        @wraps(shown)
        def work(**given: Any) -> None:
            if given.get("start") and given.get("end"):
                span(given["start"], given["end"])
            getattr(_imported(f"journey_pipeline.cli.{module}"), shown.__name__)(**given)

        lines = "".join(f"\n  journey-pipeline {example}" for example in examples)
        return cli.command(cls=cls, epilog=f"\b\nExamples:{lines}" if examples else None)(work)

    return made


def _imported(module: str) -> ModuleType:
    """Imports a module and leaves all that it brings out of collections of garbage.

    They would go through 200,000 objects of Dagster's a dozen times, and find nothing: that is half of a short command.
    """
    gc.disable()
    try:
        return import_module(module)
    finally:
        gc.freeze()
        gc.enable()


_FAULTS = click.option(
    "--fault", "faults", multiple=True, metavar="RULE", help="Fault, as route:kind, on the @nth call or at a ~rate."
)
_SELECTOR = click.argument("selector", metavar="CONNECTION[/STREAM]", callback=known, shell_complete=connections)
_REMOVE = click.option("--remove", is_flag=True, help="Remove all data that is gone from the lake.")


@_command("demo")
@click.option(
    "--hours",
    default=24,
    show_default=True,
    help="Hours to load; daily streams load their last days.",
)
@click.option("--home", "folder", default=SANDBOX_HOME, show_default=True, help="Folder of the demo's files.")
@click.option("--hostile", is_flag=True, help="Names with line breaks, quotes and other writing directions.")
def demo() -> None:
    """Load a day of simulated history and show the results.

    Starts the simulated vendors, loads the last hours or days of each stream over HTTP, then syncs and publishes the
    warehouse. A second run loads only what is missing.
    """


@_command("dev", "dev", "dev --hurry", "dev --port 3001 --fault download:503~0.1", cls=WithFaults)
@click.option("--port", default=3000, show_default=True, help="Port of the webserver; 0 picks a free one.")
@click.option("--home", "folder", default=SANDBOX_HOME, show_default=True, help="Folder of the sandbox's files.")
@_FAULTS
@click.option("--hurry", is_flag=True, help="Start at once what schedules load and order.")
def dev() -> None:
    """Run the sandbox, Dagster's webserver and its daemon.

    Run it in the folder of a Dagster project, such as a checkout of journey_pipeline. The UI shows the history that
    `demo` loaded. Alerts are shown here, Dagster's own lines go to dev.log. Ctrl-C stops all, and cancels the runs
    under way.
    """


@_command(
    "sandbox",
    "sandbox",
    "sandbox --port 9000 --seed 11 --rows-per-hour 50000",
    "sandbox --fault download:503~0.1 --fault token:429@1",
    cls=WithFaults,
)
@click.option("--host", default=SANDBOX_HOST, show_default=True, help="Address to listen on.")
@click.option("--port", default=SANDBOX_PORT, show_default=True, help="Port to listen on; 0 picks a free one.")
@click.option("--seed", default=7, show_default=True, help="Seed of the simulated history.")
@click.option("--rows-per-hour", default=2_000, show_default=True, help="Events in an average hour.")
@click.option(
    "--days",
    type=click.IntRange(min=1),
    help="Days that Salesforce and LayerFive keep [default: 30 and 90]; others forget nothing.",
)
@_FAULTS
def sandbox() -> None:
    """Serve the simulated vendors until stopped.

    Prints the variables that point a deployment to them.
    """


@_command(
    "receiver",
    "receiver",
    "receiver --trusted-proxies 127.0.0.1",
    "receiver --host 0.0.0.0 --trusted-proxies 10.0.0.0/8",
)
@click.option("--host", default=RECEIVER_HOST, show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    default=RECEIVER_PORT,
    type=click.IntRange(0, 65_535),
    show_default=True,
    help="Port to listen on; 0 picks a free one.",
)
@click.option(
    "--trusted-proxies",
    default="",
    metavar="ADDRESSES",
    help="Proxies whose X-Forwarded-For is believed: addresses or networks, with commas between.",
)
def receiver() -> None:
    """Take the calls of vendors that answer by webhook.

    It runs until it is stopped. It needs the ledger, and the variables that say which links a connection takes, such as
    INSIDER_PARTNER_NAME and INSIDER_DOWNLOAD_HOSTS. It has no vendor's token and asks nothing of anybody. Put a proxy
    with TLS before it.
    """


@_command("doctor", "doctor", "doctor sfmc")
@click.argument("connection", required=False, shell_complete=connections)
def doctor() -> None:
    """Check configuration, credentials, connections and files.

    Makes one harmless call to each route of the vendor. Opens the ledger of exports, the warehouse, the published file
    and the newest manifests of each stream. Changes nothing, and says what to do.
    """


@_command(
    "backfill",
    "backfill sfmc --from 2026-11-01 --to 2026-11-02",
    "backfill sfmc",
    "backfill sfmc/journey_history --from 2026-11-01T05 --plan",
)
@_SELECTOR
@click.option(
    "--from",
    "start",
    type=time,
    help="Start, UTC [default: the oldest that the vendor keeps, at the earliest `start` in defs.yaml].",
)
@click.option("--to", "end", type=time, help="End, UTC, excluded [default: now].")
@click.option("--again", is_flag=True, help="Also load landed partitions again. Earlier events are kept.")
@click.option("--plan", is_flag=True, help="Only show what would be loaded. Asks the vendor for estimates.")
@click.option(
    "--no-wait", "no_wait", is_flag=True, help="Order, and load what is ready. Don't wait for exports; for schedulers."
)
def backfill() -> None:
    """Load the missing partitions of a time range.

    Loads the missing partitions of [--from, --to), makes their events, then syncs and publishes the warehouse.

    Exits with 0 if all partitions are loaded, with 1 if some are not (it names them), with 2 on wrong usage.
    """


@_command("intake", "intake insider")
@_SELECTOR
def intake() -> None:
    """Take in files that people dropped in a connection's folder.

    Whole files of `incoming/` land, and go to `done/`. A file that can't be read goes to `quarantine/`, with the reason
    beside it. Then syncs and publishes the warehouse.

    Exits with 1 if a file was refused or could not be finished, with 2 on wrong usage.
    """


@_command("reconcile", "reconcile sfmc")
@_SELECTOR
def reconcile() -> None:
    """Compare landed partitions with the vendor; reload changed ones.

    First removes day-old leftovers of crashes, and repairs manifests that lack a whole answer. Then asks the vendor
    for one estimate per settled partition. A few partitions whose counts agree are downloaded again and compared by
    content. Changed partitions are loaded again.

    Exits with 1 if a partition could not be asked about, or could not be loaded again.
    """


@_command("normalize", "normalize sfmc", "normalize sfmc --from 2026-11-01 --to 2026-11-02", "normalize sfmc --diff")
@_SELECTOR
@click.option("--from", "start", type=time, help="Start, UTC [default: the first partition].")
@click.option("--to", "end", type=time, help="End, UTC, excluded [default: now].")
@click.option("--diff", is_flag=True, help="Change nothing; only print which events would change.")
def normalize() -> None:
    """Make events again from landed files, without the vendor.

    Use it after an upgrade that reads a field better, or when an events file is damaged. The same landed files and the
    same version give the same bytes. With --diff it counts the events that would be added, changed or gone, by column,
    with samples that hold no person's data.
    """


@_command("warehouse")
@_REMOVE
def sync() -> None:
    """Load changed events into the warehouse and publish it.

    Adds, replaces and removes what changed in the lake, in one transaction. Dagster's UI shows the run. If more than a
    small share of the lake is gone, or all of a stream, its data stays in the warehouse unless you give --remove. A
    disk may be unmounted.
    """


@_command("warehouse")
@_REMOVE
def rebuild() -> None:
    """Make the whole warehouse again and publish it.

    Use it when the warehouse file is damaged or deleted. The result is the same as `sync` makes. If more than a small
    share of the lake is gone, nothing changes unless you give --remove.
    """


@_command("warehouse")
def publish() -> None:
    """Copy the warehouse to journeys.duckdb for analysts.

    The file is in JOURNEY_PIPELINE_HOME, or at JOURNEY_PIPELINE_PUBLISHED_FILE.
    """


@_command("status", "status", "status sfmc", "status --json")
@click.argument("selector", metavar="[CONNECTION[/STREAM]]", required=False, shell_complete=connections)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document, for monitors.")
def status() -> None:
    """Show what is complete, missing or red.

    A partition is missing if it has not landed `missing_after_hours` after its end, and red if a check found a loss.

    Exits with 1 if a partition is missing or red, if a landed partition has no events yet, if something is damaged or
    gone, or if another program changed the published file. Warnings about lists that people dropped are shown too.
    """


@_command(
    "exports",
    "exports",
    "exports apsis --all",
    "exports --json",
    "exports --give-up 17",
    "exports --link 17 < link.txt",
    "exports --link 17 --quarantined",
)
@click.argument("connection", required=False, shell_complete=connections)
@click.option("--all", "with_ended", is_flag=True, help="Include landed and replaced exports.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option(
    "--give-up", "hopeless", type=int, multiple=True, metavar="EXPORT", help="Give up this export; repeatable."
)
@click.option("--link", "linked", type=int, metavar="EXPORT", help="Read this export's link from standard input.")
@click.option(
    "--quarantined", is_flag=True, help="With --link: take the link that its vendor called with, once allowed."
)
def exports() -> None:
    """Show the exports ordered from vendors, and their state.

    To order a stopped or given-up export again, run `journey-pipeline backfill CONNECTION/STREAM --from DAY --to DAY`.

    Exits with 1 if an export has stopped, is overdue, has expired, or its link is in quarantine.
    """


@_command("contact", "contact ana@example.org", "contact ana@example.org --connection layerfive")
@click.argument("email")
@click.option("--connection", help="The connection to ask [default: all whose vendor supports it].")
def contact() -> None:
    """Compare one person's events at the vendor and in the warehouse.

    Shows a timeline and marks events that only one side has. Events before the first loaded partition or after the
    last answer are not compared. Stores nothing.

    Exits with 1 if the two differ.
    """


@_command(
    "query",
    'query "from marts.journey_daily limit 5"',
    "query questions.sql --out answer.parquet",
    "query - --format csv < questions.sql",
)
@click.argument("sql", metavar="[SQL|FILE.sql|-]", required=False)
@click.option("--file", metavar="FILE", help="Read the SQL from this file.")
@click.option("--limit", type=click.IntRange(0), help="Give only so many rows.")
@click.option("--format", "form", type=click.Choice(["table", "csv", "json"]), help="Output format [default: table].")
@click.option("--out", metavar="FILE", help="Write the rows to a file that ends with .csv, .json or .parquet.")
def query() -> None:
    """Run SQL on the published warehouse.

    SQL is a text, a file whose name ends with .sql, or standard input if it is -. A row that is wider than the terminal
    is shown as a list of names and values. JSON has one object a line.

    The file is opened read-only. A load that runs at the same time is neither visible nor blocked.
    """


@_command("shell")
def shell() -> None:
    """Open a prompt for SQL on the published warehouse.

    Starts DuckDB's own program, `duckdb`, if it is installed, else a small prompt. Either opens the file read-only.
    """


@_command(
    "report",
    "report",
    'report "Welcome" --timezone Europe/Stockholm --open',
    "report sfmc/0f3c5a1e --from 2026-11-01 --out welcome.html",
)
@click.argument("journey", required=False)
@click.option("--from", "start", type=time, help="First UTC day of entry [default: the first].")
@click.option("--to", "end", type=time, help="UTC day of entry at which to end, excluded [default: the last].")
@click.option("--timezone", help="Time zone of weekdays and hours [default: JOURNEY_PIPELINE_REPORT_TIMEZONE, or UTC].")
@click.option("--out", metavar="FILE", help="HTML file to write [default: in reports/ of JOURNEY_PIPELINE_HOME].")
@click.option("--open", "shown", is_flag=True, help="Open it in the browser.")
def report() -> None:
    """Write one journey, or the list of all, as an HTML page.

    JOURNEY is a name or a root id, if need be with CONNECTION/ before it. The page needs no network and holds no
    person's data. It is made from the published warehouse.

    Exits with 2 if the journey or the time zone is unknown, or nothing is published.
    """


@_command("docs", "docs", "docs --out models/journeys")
@click.option("--out", metavar="FOLDER", help="Folder to write to [default: docs/ of JOURNEY_PIPELINE_HOME].")
def docs() -> None:
    """Describe the tables: Markdown, JSON, and sources of dbt.

    Writes core.md, marts.md and ops.md, all three as tables.md, tables.json, and dbt's sources.yml with keys as tests.
    Needs no data.
    """


@_command("proof", "proof", "proof sfmc --from 2026-11-01 --out audit.html")
@click.argument("selector", metavar="[CONNECTION[/STREAM]]", required=False, shell_complete=connections)
@click.option("--from", "start", type=time, help="Start, UTC [default: the first landed partition].")
@click.option("--to", "end", type=time, help="End, UTC, excluded [default: now].")
@click.option("--out", metavar="FILE", help="HTML file to write [default: reports/proof.html]. The CSV goes beside it.")
def proof() -> None:
    """Write an auditor's page: what each partition became.

    For each partition: the vendor's estimate, the landed records with checksums of their files, events, rejects,
    repeats, and the events in the warehouse. Says what is missing and how long it can still be had, and what is not
    guaranteed. A partition is missing if it has not landed `missing_after_hours` after its end. Asks no vendor.

    Exits with 1 if totals disagree or something is missing.
    """


@_command("completion", "completion bash >> ~/.bashrc")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion() -> None:
    """Print the script that completes commands in a shell.

    It completes commands, options and the names of connections. Bash needs version 4.4 or later.
    """
