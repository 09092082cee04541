"""What a person in a terminal sees of local trouble: two commands at once, damaged files, an old warehouse."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import duckdb
import pytest

from journey_pipeline.lake.manifest import LandingManifest
from journey_pipeline.model import Granularity, StreamKey, Window, floor
from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline_tests.cli.terminal import Terminal
from journey_pipeline_tests.crash.commands import CommandServer
from journey_pipeline_tests.projects import NOW

pytestmark = pytest.mark.slow(reason="a terminal whose backfills race")

KEY = StreamKey("sfmc", "sfmc", "journey_history")
START = floor(NOW, Granularity.DAY) - timedelta(days=2)
HOURS = Window(START, START + timedelta(hours=3)).partitions(Granularity.HOUR)
SPAN = ("--from", f"{HOURS[0].start:%Y-%m-%dT%H}", "--to", f"{HOURS[-1].end:%Y-%m-%dT%H}")
BACKFILL = ("backfill", "sfmc", *SPAN)


def ids(terminal: Terminal) -> list[str]:
    """The ids of the published events, each one as often as it is there."""
    with duckdb.connect(str(terminal.home / "journeys.duckdb"), read_only=True) as session:
        rows = session.execute("select properties ->> '$.id' from core.journey_events order by all").fetchall()
    return [value for (value,) in rows]


def truth(terminal: Terminal) -> list[str]:
    """What the vendor knows of the hours."""
    sandbox = terminal.sandbox
    now = sandbox.clock.now()
    return sorted(row["Id"] for hour in HOURS for row in sandbox.sfmc.truth(hour, visible_at=now))


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with serve(World(rows_per_hour=60, contacts=100, steady=True), clock=SandboxClock(NOW)) as running:
        yield running


@pytest.fixture(scope="module")
def terminal(sandbox: Sandbox, command_server: CommandServer, tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    """Two backfills of the same hours, at the same time, in one new home."""
    one = Terminal(command_server, sandbox, tmp_path_factory.mktemp("one"))
    with CommandServer() as server, ThreadPoolExecutor(2) as threads:
        other = Terminal(server, sandbox, tmp_path_factory.mktemp("other"), {"JOURNEY_PIPELINE_HOME": str(one.home)})
        other("--help")  # both servers are ready
        ended = list(threads.map(lambda terminal: terminal(*BACKFILL), (one, other)))
    assert [command.code for command in ended] == [0, 0], ended
    return one


def test_two_backfills_of_the_same_hours_at_the_same_time_end_well_with_a_right_warehouse(terminal: Terminal) -> None:
    assert ids(terminal) == truth(terminal) != []
    for hour in HOURS:
        manifest = LandingManifest.read(terminal.lake.landing_manifest(KEY, hour.partition))
        assert manifest is not None
        named = {attempt.attempt for attempt in manifest.attempts}
        folder = terminal.lake.landing_dir(KEY, hour.partition)
        assert {path.name for path in folder.iterdir() if path.is_dir()} == named != set()
    again = terminal(*BACKFILL)
    assert again.code == 0
    assert "nothing to do" in again.out


def test_damaged_files_are_named_by_status_and_sync_and_healed_by_normalize(terminal: Terminal) -> None:
    files = [
        terminal.lake.landing_manifest(KEY, HOURS[0].partition),
        terminal.lake.events_manifest(KEY, HOURS[1].partition),
        terminal.lake.events_file(KEY, HOURS[2].partition),
    ]
    for file in files:
        file.write_bytes(file.read_bytes()[:50])
    shown = terminal("status", "sfmc", "--json")
    assert shown.code == 1
    (row,) = json.loads(shown.out)
    assert len(row["damaged"]) == 3
    for file in files:
        assert any(
            line.startswith("sfmc/journey_history damaged: ") and str(file) in line for line in shown.err.splitlines()
        )
    assert "journey-pipeline normalize" in shown.err

    refused = terminal("sync")
    assert refused.code == 1
    assert f"events/sfmc/journey_history/{HOURS[1].partition}.json" in refused.err
    assert "journey-pipeline normalize" in refused.err
    assert ids(terminal) == truth(terminal)

    healed = terminal("normalize", "sfmc", *SPAN)
    assert healed.code == 0, healed.err
    assert ids(terminal) == truth(terminal)
    shown = terminal("status", "sfmc", "--json")
    assert json.loads(shown.out)[0]["damaged"] == []
    assert "damaged" not in shown.err


def test_a_warehouse_of_another_schema_is_made_anew_and_said_so(terminal: Terminal) -> None:
    with duckdb.connect(str(terminal.home / "warehouse.duckdb")) as session:
        session.execute("update internal.state set layout = '0-old'; drop table core.journey_events")
    done = terminal("sync")
    assert done.code == 0, done.err
    assert re.search(r"made anew from the lake:\s+another\s+version", done.err)
    assert ids(terminal) == truth(terminal)


@pytest.mark.parametrize("arguments", [BACKFILL, ("sync",), ("rebuild",)])
def test_a_home_that_can_not_be_made_is_one_line_without_a_traceback(
    terminal: Terminal, arguments: tuple[str, ...]
) -> None:
    in_the_way = terminal.folder / "file"
    in_the_way.write_text("not a folder")
    refused = terminal(*arguments, JOURNEY_PIPELINE_HOME=str(in_the_way / "home"))
    assert refused.code != 0
    assert "can't be written" in refused.err
    assert str(in_the_way / "home") in " ".join(refused.err.split())
    assert "JOURNEY_PIPELINE_HOME" in refused.err
