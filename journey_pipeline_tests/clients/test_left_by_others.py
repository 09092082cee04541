"""What other programs leave among our files: nothing of it counts, and no command fails by it."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from journey_pipeline.lake.documents import DriftReport, Finding, write_report
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.sweep import sweep
from journey_pipeline_tests.cli.terminal import Terminal

pytestmark = [pytest.mark.xdist_group("clients"), pytest.mark.slow(reason="a home of all vendors is loaded")]

FOLDERS = ("raw", "events", "rejects", "attributes", "dimensions", "drift", "evidence", "exports", "cache")
# Of file managers, editors, copies by hand, network drives, and of Spark; beside each file of ours also a copy of it.
NAMES = (
    ".DS_Store",
    "Thumbs.db",
    "desktop.ini",
    "notes.json",
    "._manifest.json",
    "@eaDir/manifest.json",
    "lost+found/attempt.json",
    "_SUCCESS",
    ".notes.tmp",
    "._SUCCESS.crc",
    "_temporary/0/part-0.parquet",
    "part-00000-6b1f-c000.json",
    "part-00000-6b1f-c000.snappy.parquet",
    ".part-00000-6b1f-c000.snappy.parquet.crc",
    "channel=email/part-0.parquet",
)
COPIES = ("._{}", "{}~", ".{}.swp", "#{}#", ".~lock.{}#", "{} (1)", "{}.bak")


def leave(folder: Path) -> None:
    for name in NAMES:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"left by others")


def copied(file: Path) -> None:
    for name in COPIES:
        shutil.copyfile(file, file.with_name(name.format(file.name)))
    shutil.copyfile(file, file.with_name(f"{file.stem} copy{file.suffix}"))
    shutil.copyfile(file, file.with_name(f"Copy of {file.name}"))


REPORT = DriftReport(
    vendor="sfmc",
    connection="sfmc",
    stream="journey_history",
    swept_at=datetime(2026, 11, 20, 4, tzinfo=UTC),
    asked=1,
    compared=0,
    findings=(Finding(partition="2026-11-19T05", kind="count", rows=1, estimate=2),),
)


@pytest.fixture
def littered(terminal: Terminal, tmp_path: Path) -> Terminal:
    """A home with all of it in every folder."""
    home = tmp_path / "home"
    shutil.copytree(terminal.home, home)
    write_report(Lake(home), REPORT)
    for name in FOLDERS:
        (home / name).mkdir(exist_ok=True)
        for file in [path for path in (home / name).rglob("*") if path.is_file()]:
            copied(file)
        for folder in [home / name, *(path for path in (home / name).rglob("*") if path.is_dir())]:
            leave(folder)
    (home / "dimensions/mine/journeys.parquet").mkdir(parents=True)
    for folder in (
        *home.glob("raw/*/*/*/*Z-*"),
        *home.glob("raw/*/*/2026*"),
        home / "events/sfmc",
        home / "dimensions/sfmc",
    ):
        shutil.copytree(folder, folder.with_name(f"{folder.name} copy"))
    copied(home / "exports.db")
    leave(home)
    return replace(terminal, changes={"JOURNEY_PIPELINE_HOME": str(home)})


def contents(terminal: Terminal) -> dict[str, int]:
    """How many rows each table and view of the published file has."""
    with duckdb.connect(terminal.home / "journeys.duckdb", read_only=True) as session:
        names = session.execute(
            "select schema_name || '.' || table_name from duckdb_tables() union all "
            "select schema_name || '.' || view_name from duckdb_views() where not internal"
        ).fetchall()
        return {name: session.execute(f"select count(*) from {name}").fetchall()[0][0] for (name,) in names}


def complete(terminal: Terminal) -> list[tuple[object, object]]:
    return [(row["stream"], row["complete"]) for row in terminal.status()[1]]


def test_no_command_fails_by_it_nothing_of_it_counts_and_nothing_of_it_goes(
    terminal: Terminal, littered: Terminal
) -> None:
    before = set(littered.home.rglob("*"))
    said = [littered(*command.split()) for command in ("sync", "publish", "doctor sfmc", "reconcile sfmc")]
    assert [ended.code for ended in said] == [0, 0, 0, 0], said
    copies = re.findall(r"Warning: (\S+ copy\S+) is a copy of another", said[0].err)
    assert copies == [
        "events/sfmc copy/journey_history",
        "dimensions/sfmc copy/activities.parquet",
        "dimensions/sfmc copy/journeys.parquet",
    ]
    assert complete(littered) == complete(terminal)
    sweep(littered.lake, "sfmc", "sfmc", datetime.now(UTC) + timedelta(days=2))
    assert before - set(littered.home.rglob("*")) == set()
    swept = {"internal.drift_reports": 2, "ops.drift": 1}  # ours, and that of the reconciliation just now
    assert contents(littered) == contents(terminal) | swept
