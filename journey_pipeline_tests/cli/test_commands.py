"""What each command prints, and the code it ends with."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from journey_pipeline.cli.main import COMMANDS
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline_tests.cli.conftest import Command

DAY = (datetime.now(UTC) - timedelta(days=2)).strftime("%Y-%m-%d")
SPAN = ("--from", f"{DAY}T05", "--to", f"{DAY}T08:00")


@pytest.fixture(scope="module")
def loaded(command: Command) -> str:
    """Three hours, loaded once for the tests that look at them."""
    done = command("backfill", "sfmc", *SPAN)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_backfill_shows_each_partition(loaded: str) -> None:
    assert re.findall(rf"{DAY}T0\d", loaded) == [f"{DAY}T05", f"{DAY}T06", f"{DAY}T07"]


def test_a_second_backfill_asks_for_nothing(command: Command, loaded: str, sandbox: Sandbox) -> None:
    assert loaded
    sandbox.calls.clear()
    done = command("backfill", "sfmc", *SPAN)
    assert done.returncode == 0, done.stderr
    assert "nothing to do" in done.stdout
    assert sandbox.calls.count("download") == 0


def test_again_asks_again(command: Command, loaded: str, sandbox: Sandbox) -> None:
    assert loaded
    sandbox.calls.clear()
    assert command("backfill", "sfmc", *SPAN, "--again").returncode == 0
    assert sandbox.calls.count("download") == 3


def test_a_plan_says_what_would_be_done_and_does_nothing(command: Command, loaded: str, sandbox: Sandbox) -> None:
    assert loaded
    sandbox.calls.clear()
    done = command("backfill", "sfmc", "--from", f"{DAY}T05", "--to", f"{DAY}T10", "--plan")
    assert done.returncode == 0, done.stderr
    assert re.search(r"complete +3", done.stdout)
    assert re.search(r"to ask the vendor for +2", done.stdout)
    assert "4 requests" in done.stdout
    assert sandbox.calls.count("download") == 0


def test_hours_that_expired_are_named_and_end_with_one(command: Command) -> None:
    long_ago = (datetime.now(UTC) - timedelta(days=40)).strftime("%Y-%m-%dT%H")
    after = (datetime.now(UTC) - timedelta(days=40) + timedelta(hours=2)).strftime("%Y-%m-%dT%H")
    done = command("backfill", "sfmc", "--from", long_ago, "--to", after)
    assert done.returncode == 1
    assert f"{long_ago} to" in done.stderr


def test_status_counts_what_is_missing_and_ends_with_one(command: Command, loaded: str) -> None:
    assert loaded
    done = command("status", "--json")
    assert done.returncode == 1
    (row,) = json.loads(done.stdout)
    assert row["stream"] == "sfmc/journey_history"
    assert row["complete"] >= 3
    assert row["missing"] > 600
    assert 0 <= row["hours_until_deleted"] <= 1  # rounded: 0.0 in the last minutes of an hour
    assert "sfmc/journey_history" in command("status").stdout


def test_a_query_answers_as_table_csv_and_json(command: Command, loaded: str) -> None:
    assert loaded
    sql = "select partition_key, events from ops.partitions order by 1 limit 1"
    assert f"{DAY}T05" in command("query", sql).stdout
    rows = list(csv.DictReader(io.StringIO(command("query", sql, "--format", "csv").stdout)))
    (line,) = command("query", sql, "--format", "json").stdout.splitlines()
    assert [json.loads(line)["events"]] == [int(row["events"]) for row in rows]


def test_normalize_needs_no_vendor(command: Command, loaded: str, sandbox: Sandbox) -> None:
    assert loaded
    sandbox.calls.clear()
    done = command("normalize", "sfmc", *SPAN, SFMC_AUTH_URL=None)
    assert done.returncode == 0, done.stderr
    assert len(sandbox.calls) == 0


@pytest.mark.parametrize("name", ["sync", "rebuild", "publish"])
def test_the_warehouse_commands_end_well(command: Command, loaded: str, name: str) -> None:
    assert loaded
    done = command(name)
    assert done.returncode == 0, done.stderr


def test_an_events_folder_that_is_not_mounted_empties_no_warehouse(command: Command, loaded: str, folder: Path) -> None:
    assert loaded
    count = ("query", "select count(*) from core.journey_events", "--format", "csv")
    before = command(*count).stdout
    mounted, elsewhere = folder / "home/events", folder / "home/elsewhere"
    mounted.rename(elsewhere)
    mounted.mkdir()
    try:
        refused = command("sync")
        assert refused.returncode == 1
        assert "0 partitions added, 0 replaced, 0 removed" in refused.stderr
        assert "journey-pipeline sync --remove" in refused.stderr
        assert command("rebuild").returncode == 1
        assert command(*count).stdout == before
    finally:
        mounted.rmdir()
        elsewhere.rename(mounted)
    assert command("sync").returncode == 0


def test_doctor_calls_each_route_once(command: Command, sandbox: Sandbox) -> None:
    sandbox.calls.clear()
    done = command("doctor", "sfmc")
    assert done.returncode == 0, done.stdout
    assert [call.route for call in sandbox.calls.to()] == ["token", "freshness", "journeys"]


def test_doctor_names_a_missing_variable(command: Command) -> None:
    done = command("doctor", SFMC_CLIENT_ID=None)
    assert done.returncode == 1
    assert "SFMC_CLIENT_ID not set" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["backfill", "nope"], 2, "there is no connection 'nope'; configured are: sfmc"),
        (["backfill", "sfmc/nope"], 2, "sfmc has: sfmc/journey_history"),
        (["backfill", "sfmc", "--from", "yesterday"], 2, "write 2026-11-01"),
        (["backfill", "sfmc", "--from", DAY, "--to", DAY], 2, "nothing lies between"),
        (["backfill", "sfmc", "--from", "2020-01-01", "--to", "2020-01-02"], 2, "set an earlier `start`"),
        (["query", "selec 1"], 1, "the query was refused"),
        (["nonsense"], 2, "No such command"),
        (["sandbox", "--fault", "download:nonsense"], 2, "nonsense"),
    ],
)
def test_an_error_is_one_line_without_a_traceback(
    command: Command, loaded: str, arguments: list[str], code: int, says: str
) -> None:
    assert loaded
    done = command(*arguments)
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_debug_shows_the_traceback(command: Command) -> None:
    assert "Traceback" in command("--debug", "backfill", "nope").stderr


def test_every_command_is_in_the_help_with_an_explanation(command: Command) -> None:
    listed = command("--help").stdout
    for name in COMMANDS:
        assert re.search(rf"^  {name} +[A-Z].*\.$", listed, re.MULTILINE), name
        assert "Usage:" in command(name, "--help").stdout


def test_a_dot_env_file_is_read(command: Command, folder: Path, sandbox: Sandbox) -> None:
    file = folder / ".env"
    file.write_text(f"SFMC_AUTH_URL={sandbox.environment()['SFMC_AUTH_URL']}\n")
    try:
        assert command("doctor", SFMC_AUTH_URL=None).returncode == 0
    finally:
        file.unlink()
