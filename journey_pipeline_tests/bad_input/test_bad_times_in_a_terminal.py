"""What a person in a terminal sees of local trouble: two commands at once, damaged files, an old warehouse."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import LandingManifest
from journey_pipeline.model import Granularity, StreamKey, Window, floor
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World

KEY = StreamKey("sfmc", "sfmc", "journey_history")
START = floor(datetime.now(UTC), Granularity.DAY) - timedelta(days=2)
HOURS = Window(START, START + timedelta(hours=3)).partitions(Granularity.HOUR)
SPAN = ("--from", f"{HOURS[0].start:%Y-%m-%dT%H}", "--to", f"{HOURS[-1].end:%Y-%m-%dT%H}")
BACKFILL = ("backfill", "sfmc", *SPAN)


class Terminal:
    """Commands in processes of their own, in one home.

    Args:
        folder: The working directory; the home lies in it.
        sandbox: The vendor.
    """

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        self.folder = folder
        self.sandbox = sandbox
        self.lake = Lake(folder / "home")

    def start(self, *arguments: str, **changes: str) -> subprocess.Popen[str]:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "COLUMNS": "160",
            "JOURNEY_PIPELINE_HOME": str(self.lake.home),
            "JOURNEY_PIPELINE_NO_WAITING": "1",
            "SFMC_REQUESTS_PER_SECOND": "500",
            **self.sandbox.environment(),
            **changes,
        }
        command = [sys.executable, "-m", "journey_pipeline.cli.main", *arguments]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, cwd=self.folder, env=environment, stdout=pipe, stderr=pipe, text=True)

    def run(self, *arguments: str, **changes: str) -> tuple[int, str, str]:
        """The exit code, what was printed, and what was said."""
        with self.start(*arguments, **changes) as process:
            said = process.communicate()
        assert "Traceback" not in said[1], said[1]
        return process.returncode, *said

    def ids(self) -> list[str]:
        """The ids of the published events, each one as often as it is there."""
        with duckdb.connect(str(self.lake.home / "journeys.duckdb"), read_only=True) as session:
            rows = session.execute("select properties ->> '$.id' from core.journey_events order by all").fetchall()
        return [value for (value,) in rows]

    def truth(self) -> list[str]:
        """What the vendor knows of the hours."""
        now = self.sandbox.clock.now()
        return sorted(row["Id"] for hour in HOURS for row in self.sandbox.sfmc.truth(hour, visible_at=now))


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with serve(World(rows_per_hour=60, contacts=100, steady=True)) as running:
        yield running


@pytest.fixture(scope="module")
def terminal(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    """Two backfills of the same hours, at the same time, in one new home."""
    terminal = Terminal(tmp_path_factory.mktemp("terminal"), sandbox)
    with terminal.start(*BACKFILL) as one, terminal.start(*BACKFILL) as other:
        said = [process.communicate() for process in (one, other)]
    assert (one.returncode, other.returncode) == (0, 0), said
    return terminal


def test_two_backfills_of_the_same_hours_at_the_same_time_end_well_with_a_right_warehouse(terminal: Terminal) -> None:
    assert terminal.ids() == terminal.truth() != []
    for hour in HOURS:
        manifest = LandingManifest.read(terminal.lake.landing_manifest(KEY, hour.partition))
        assert manifest is not None
        named = {attempt.attempt for attempt in manifest.attempts}
        folder = terminal.lake.landing_dir(KEY, hour.partition)
        assert {path.name for path in folder.iterdir() if path.is_dir()} == named != set()
    code, printed, _ = terminal.run(*BACKFILL)
    assert code == 0
    assert "nothing to do" in printed


def test_damaged_files_are_named_by_status_and_sync_and_healed_by_normalize(terminal: Terminal) -> None:
    files = [
        terminal.lake.landing_manifest(KEY, HOURS[0].partition),
        terminal.lake.events_manifest(KEY, HOURS[1].partition),
        terminal.lake.events_file(KEY, HOURS[2].partition),
    ]
    for file in files:
        file.write_bytes(file.read_bytes()[:50])
    code, printed, said = terminal.run("status", "sfmc", "--json")
    assert code == 1
    (row,) = json.loads(printed)
    assert len(row["damaged"]) == 3
    for file in files:
        assert any(
            line.startswith("sfmc/journey_history damaged: ") and str(file) in line for line in said.splitlines()
        )
    assert "journey-pipeline normalize" in said

    code, _, said = terminal.run("sync")
    assert code == 1
    assert f"events/sfmc/journey_history/{HOURS[1].partition}.json" in said
    assert "journey-pipeline normalize" in said
    assert terminal.ids() == terminal.truth()

    code, _, said = terminal.run("normalize", "sfmc", *SPAN)
    assert code == 0, said
    assert terminal.ids() == terminal.truth()
    _, printed, said = terminal.run("status", "sfmc", "--json")
    assert json.loads(printed)[0]["damaged"] == []
    assert "damaged" not in said


def test_a_warehouse_of_another_schema_is_made_anew_and_said_so(terminal: Terminal) -> None:
    with duckdb.connect(str(terminal.lake.home / "warehouse.duckdb")) as session:
        session.execute("update internal.state set layout = '0-old'; drop table core.journey_events")
    code, _, said = terminal.run("sync")
    assert code == 0, said
    assert re.search(r"made anew from the lake:\s+another\s+version", said)
    assert terminal.ids() == terminal.truth()


@pytest.mark.parametrize("arguments", [BACKFILL, ("sync",), ("rebuild",)])
def test_a_home_that_can_not_be_made_is_one_line_without_a_traceback(
    terminal: Terminal, arguments: tuple[str, ...]
) -> None:
    in_the_way = terminal.folder / "file"
    in_the_way.write_text("not a folder")
    code, _, said = terminal.run(*arguments, JOURNEY_PIPELINE_HOME=str(in_the_way / "home"))
    assert code != 0
    assert "can't be written" in said
    assert str(in_the_way / "home") in " ".join(said.split())
    assert "JOURNEY_PIPELINE_HOME" in said
