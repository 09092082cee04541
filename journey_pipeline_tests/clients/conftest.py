"""A home as it comes of the simulated vendors: every stream, every kind of file, and the published warehouse."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from journey_pipeline.model import Granularity, floor
from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline.vendors.apsis.email_events.stream import EMAIL_EVENTS
from journey_pipeline.vendors.apsis.profile_events.stream import PROFILE_EVENTS
from journey_pipeline.vendors.sfmc.journey_history.stream import JOURNEY_HISTORY
from journey_pipeline_tests.cli.terminal import Terminal
from journey_pipeline_tests.crash.commands import CommandServer
from journey_pipeline_tests.lake.made_landing import MadeLanding
from journey_pipeline_tests.projects import NOW
from journey_pipeline_tests.vendors.made_apsis import landed
from journey_pipeline_tests.vendors.made_journeys import MadeJourneys

GOLDEN = Path(__file__).parents[1] / "golden"
STREAMS = {"profile_events", "email_events", "customer_journeys", "journey_history"}


def put_golden_files(home: Path) -> None:
    """Lands the golden files of all streams: each has records that are rejects, which the vendors here have not."""
    made = MadeLanding(home, recipe=JOURNEY_HISTORY)
    made.land((GOLDEN / "sfmc_journey_history.csv").read_bytes())
    made.normalize()
    MadeJourneys(home).land((GOLDEN / "layerfive_customer_journeys.json").read_bytes()).normalize()
    landed(home, PROFILE_EVENTS, (GOLDEN / "apsis_profile_events.json").read_bytes())
    landed(home, EMAIL_EVENTS, (GOLDEN / "apsis_email_events.csv").read_bytes())


@pytest.fixture(scope="session")
def terminal(tmp_path_factory: pytest.TempPathFactory, command_server: CommandServer) -> Iterator[Terminal]:
    """Where commands load an hour or a day of each stream, other ones than the golden files are of."""
    hour, day = floor(NOW, Granularity.HOUR), floor(NOW, Granularity.DAY)
    spans = {
        "sfmc": (hour - timedelta(hours=30), hour - timedelta(hours=29)),
        "layerfive": (day - timedelta(days=2), day - timedelta(days=1)),
        "apsis": (day - timedelta(days=2), day - timedelta(days=1)),
    }
    with serve(World(rows_per_hour=20, contacts=20, steady=True), clock=SandboxClock(NOW)) as sandbox:
        terminal = Terminal.at(tmp_path_factory.mktemp("clients"), command_server, sandbox, *spans)
        put_golden_files(terminal.home)
        for connection, (start, end) in spans.items():
            span = ("--from", f"{start:%Y-%m-%dT%H:%M}", "--to", f"{end:%Y-%m-%dT%H:%M}")
            ended = terminal("backfill", connection, *span)
            assert ended.code == 0, ended.err
        yield terminal


@pytest.fixture(scope="session")
def home(terminal: Terminal) -> Path:
    """The home, as it came of that: nobody writes in it."""
    return terminal.home


@pytest.fixture(scope="session")
def parquet_files(home: Path) -> list[Path]:
    """All Parquet files of the lake: of every kind, and where there are events or rejects, of every stream."""
    files = sorted(home.glob("*/*/**/*.parquet"))
    found = {tuple(file.relative_to(home).parts[:-1]) for file in files}
    assert {path[2] for path in found if path[0] == "events"} == STREAMS
    assert {path[2] for path in found if path[0] == "rejects"} == STREAMS
    assert {path[0] for path in found} == {"events", "rejects", "attributes", "dimensions"}
    return files
