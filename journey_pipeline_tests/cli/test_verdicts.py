"""A red check of a load is told by the command that met it, by its exit code, and by `status` until it is mended."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from journey_pipeline.cli.load import Loaded, tell_outcome
from journey_pipeline.components.sfmc import SfmcJourneyHistory
from journey_pipeline.lake.manifest import EventsManifest
from journey_pipeline.model import StreamKey, partition_window
from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline_tests.cli.terminal import Terminal
from journey_pipeline_tests.crash.commands import CommandServer
from journey_pipeline_tests.projects import NOW

pytestmark = pytest.mark.slow(reason="a terminal that loads in each test")

START = (NOW - timedelta(days=2)).replace(hour=5, minute=0, second=0, microsecond=0)
HOURS = [f"{START + timedelta(hours=n):%Y-%m-%dT%H}" for n in range(2)]
END = f"{START + timedelta(hours=2):%Y-%m-%dT%H}"
LOAD = ("backfill", "sfmc", "--from", HOURS[0], "--to", END)
HISTORY = StreamKey("sfmc", "sfmc", "journey_history")


@pytest.fixture
def terminal(tmp_path: Path, command_server: CommandServer) -> Iterator[Terminal]:
    with serve(World(rows_per_hour=10, contacts=20, steady=True), clock=SandboxClock(NOW)) as sandbox:
        yield Terminal.at(tmp_path, command_server, sandbox, "sfmc")


@pytest.fixture(scope="module")
def loaded_once(tmp_path_factory: pytest.TempPathFactory, command_server: CommandServer) -> Iterator[Terminal]:
    with serve(World(rows_per_hour=10, contacts=20, steady=True), clock=SandboxClock(NOW)) as sandbox:
        terminal = Terminal.at(tmp_path_factory.mktemp("loaded"), command_server, sandbox, "sfmc")
        assert terminal(*LOAD).code == 0
        yield terminal


@pytest.fixture
def loaded(loaded_once: Terminal, tmp_path: Path) -> Terminal:
    """A terminal at a home of its own, in which the hours are loaded."""
    return loaded_once.with_copy(tmp_path / "home")


def red(terminal: Terminal) -> list[tuple[str, str]]:
    code, (row,) = terminal.status()
    assert code == 1
    return [(one["partition"], one["check"]) for one in row["red"]]


def test_rows_that_a_settled_hour_lacks_are_told_until_they_came(terminal: Terminal) -> None:
    terminal.sandbox.options.sfmc.estimate_drift_rows = 5_000
    loaded = terminal(*LOAD)
    assert loaded.code == 1
    for hour in HOURS:
        says = f"sfmc/journey_history {hour} rows_match_estimate does not hold: "
        (line,) = [line for line in loaded.err.splitlines() if line.startswith(says)]
        assert "rows are missing. Pull it again" in line
    assert red(terminal) == [(hour, "rows_match_estimate") for hour in HOURS]
    assert f"{HOURS[0]} rows_match_estimate does not hold" in terminal("status").err

    for again in (LOAD, ("normalize", "sfmc", *LOAD[2:]), ("reconcile", "sfmc")):
        told = terminal(*again)
        assert (told.code, told.err.count("rows_match_estimate does not hold")) == (1, 2), again

    terminal.sandbox.options.sfmc.estimate_drift_rows = 0
    healed = terminal(*LOAD, "--again")
    assert (healed.code, "does not hold" in healed.err) == (0, False), healed.err
    assert red(terminal) == []


def test_a_row_that_is_unaccounted_for_is_told(loaded: Terminal) -> None:
    path = loaded.lake.events_manifest(HISTORY, HOURS[1])
    events = EventsManifest.read(path)
    assert events
    events.model_copy(update={"unaccounted": 1, "landed": events.landed + 1}).write(path)
    assert red(loaded) == [(HOURS[1], "no_row_is_lost")]
    told = loaded(*LOAD)
    assert told.code == 1
    assert f"{HOURS[1]} no_row_is_lost does not hold: " in told.err
    assert loaded("normalize", "sfmc", *LOAD[2:]).code == 0
    assert red(loaded) == []


def test_a_partition_that_is_gone_right_after_its_load_is_told(loaded: Terminal) -> None:
    (assets,) = SfmcJourneyHistory(connection="sfmc", start="2026-01-01-00:00").streams
    partitions = Loaded(assets, [partition_window(hour) for hour in HOURS])
    told = StringIO()
    assert tell_outcome(Console(file=told), loaded.lake, partitions)
    assert told.getvalue() == ""
    part = next(loaded.lake.landing_dir(HISTORY, HOURS[1]).rglob("part-*"))
    part.unlink()
    shutil.rmtree(loaded.lake.landing_dir(HISTORY, HOURS[0]))
    assert not tell_outcome(Console(file=told), loaded.lake, partitions)
    gone, damaged = told.getvalue().splitlines()
    assert gone.startswith(f"sfmc/journey_history {HOURS[0]} was loaded, and its files are missing: check the disk")
    assert damaged.startswith(
        f"sfmc/journey_history {HOURS[1]} was loaded, and its files are missing: {part} is missing"
    )


@pytest.mark.parametrize(("setting", "code", "reds"), [("stop", 1, 2), ("warn", 0, 0)])
def test_a_column_that_nobody_knows_is_as_bad_as_the_connection_says(
    terminal: Terminal, setting: str, code: int, reds: int
) -> None:
    with (terminal.folder / "shop/defs/sfmc/defs.yaml").open("a") as defs:
        defs.write(f"  tolerance: {{new_column: {setting}}}\n")
    terminal.sandbox.options.sfmc.extra_column = "Loyalty"
    loaded = terminal(*LOAD)
    assert loaded.code == code, loaded.err
    assert loaded.err.count("schema_is_known does not hold: unknown columns: Loyalty") == 2
    assert red(terminal) == [(hour, "schema_is_known") for hour in HOURS][:reds]
