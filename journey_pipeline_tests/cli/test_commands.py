"""What each command prints, and the code it ends with."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import journey_pipeline
from journey_pipeline.cli.commands import cli
from journey_pipeline.model import StreamKey
from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline.settings import CLOCK_OFFSET_VARIABLE
from journey_pipeline_tests.cli.terminal import Terminal
from journey_pipeline_tests.crash.commands import CommandServer
from journey_pipeline_tests.projects import NOW

pytestmark = pytest.mark.slow(reason="a terminal that loads")

DAY = f"{NOW - timedelta(days=2):%Y-%m-%d}"
NOT_DUE_HOURS = 4
SPAN = ("--from", f"{DAY}T05", "--to", f"{DAY}T08:00")


@pytest.fixture(scope="module")
def loaded(terminal: Terminal) -> str:
    """Three hours, loaded once for the tests that look at them."""
    done = terminal("backfill", "sfmc", *SPAN)
    assert done.code == 0, done.err
    return done.out


def test_a_backfill_shows_each_partition(loaded: str) -> None:
    assert re.findall(rf"{DAY}T0\d", loaded) == [f"{DAY}T05", f"{DAY}T06", f"{DAY}T07"]


def test_a_second_backfill_asks_for_nothing(terminal: Terminal, loaded: str, sandbox: Sandbox) -> None:
    assert loaded
    sandbox.calls.clear()
    done = terminal("backfill", "sfmc", *SPAN)
    assert done.code == 0, done.err
    assert "nothing to do" in done.out
    assert sandbox.calls.count("download") == 0


def test_again_asks_again(terminal: Terminal, loaded: str, sandbox: Sandbox) -> None:
    assert loaded
    sandbox.calls.clear()
    assert terminal("backfill", "sfmc", *SPAN, "--again").code == 0
    assert sandbox.calls.count("download") == 3


def test_a_plan_says_what_would_be_done_and_does_nothing(terminal: Terminal, loaded: str, sandbox: Sandbox) -> None:
    assert loaded
    sandbox.calls.clear()
    done = terminal("backfill", "sfmc", "--from", f"{DAY}T05", "--to", f"{DAY}T10", "--plan")
    assert done.code == 0, done.err
    assert re.search(r"complete +3", done.out)
    assert re.search(r"to ask the vendor for +2", done.out)
    assert "4 requests" in done.out
    assert sandbox.calls.count("download") == 0


def test_hours_that_expired_are_named_and_end_with_one(terminal: Terminal) -> None:
    long_ago, after = (f"{NOW - timedelta(days=40, hours=hours):%Y-%m-%dT%H}" for hours in (2, 0))
    done = terminal("backfill", "sfmc", "--from", long_ago, "--to", after)
    assert done.code == 1
    assert f"{long_ago} to" in done.err


def test_a_backfill_says_that_it_asks_for_nothing_before_the_stream_starts(terminal: Terminal) -> None:
    span = ("--from", "2020-01-01", "--to", f"{DAY}T05")
    cut, whole = (terminal("backfill", "sfmc", *span[at:], "--plan") for at in (0, 2))
    assert (cut.code, whole.code) == (0, 0), cut.err
    (line,) = cut.err.splitlines()
    assert "To load earlier data, set an earlier `start`" in line
    assert whole.err == ""


def test_status_counts_what_is_missing_and_ends_with_one(terminal: Terminal, loaded: str) -> None:
    assert loaded
    done = terminal("status", "--json")
    assert done.code == 1
    (row,) = json.loads(done.out)
    assert row["stream"] == "sfmc/journey_history"
    assert row["complete"] >= 3
    assert row["missing"] > 600
    assert 0 < row["hours_until_deleted"] <= 1


def test_status_tells_the_last_load_the_rows_and_how_far_behind_they_are(terminal: Terminal, loaded: str) -> None:
    assert loaded
    _, (row,) = terminal.status()
    shown = terminal("status")
    (events,) = json.loads(
        terminal("query", "select count(*) as n from core.journey_events", "--format", "json").out
    ).values()
    assert row["rows"] == events > 0
    assert row["last"] == f"{DAY}T08:00:00Z"
    assert row["behind_hours"] == pytest.approx((NOW - datetime.fromisoformat(row["last"])) / timedelta(hours=1), abs=1)
    assert NOW - timedelta(hours=1) < datetime.fromisoformat(row["loaded_at"]) < NOW + timedelta(hours=1)
    assert re.search(
        rf"^ *sfmc/journey_history +{events:,} +\d+ (s|min) ago +2 days +\d+ +\d+ *$", shown.out, re.MULTILINE
    )


def test_status_sets_what_is_from_before_the_first_load_apart_from_gaps(terminal: Terminal, loaded: str) -> None:
    assert loaded
    _, (row,) = terminal.status()
    assert (row["missing"], row["urgent"]) == (row["backlog"], True)
    (lost,) = row["needs_a_person"]
    assert f": {row['backlog']} hours from before the first load may be lost. The vendor deletes the oldest" in lost
    said = terminal("status").err
    assert lost in said
    assert re.search(r"The vendor deletes the oldest\n  of sfmc/journey_history  in \d+ min$", said, re.MULTILINE)


def test_status_counts_a_partition_as_missing_only_once_it_is_late(terminal: Terminal, loaded: str) -> None:
    assert loaded
    row, gaps, _ = gaps_in(terminal, timedelta(hours=3))
    assert (gaps, row["not_due"]) == (0, NOT_DUE_HOURS)
    row, gaps, _ = gaps_in(terminal, timedelta(hours=12))
    assert (gaps, row["not_due"]) == (pytest.approx(12 - NOT_DUE_HOURS, abs=1), NOT_DUE_HOURS)


def test_status_takes_a_hole_for_a_gap_once_no_history_has_come_in_for_a_day(terminal: Terminal, loaded: str) -> None:
    assert loaded
    row, gaps, behind = gaps_in(terminal, timedelta(days=2))
    # All since the last partition that was loaded, but for the last ones.
    assert gaps == pytest.approx(behind - NOT_DUE_HOURS, abs=1)
    assert f": {gaps} hours missing. The vendor deletes the oldest" in row["needs_a_person"][0]


def gaps_in(terminal: Terminal, later: timedelta) -> tuple[dict[str, Any], int, float]:
    """The row of `status` at a later time, the gaps in it, and how many hours it is behind."""
    offset_s = (NOW + later - datetime.now(UTC)).total_seconds()
    (row,) = json.loads(terminal("status", "--json", **{CLOCK_OFFSET_VARIABLE: str(offset_s)}).out)
    return row, row["missing"] - row["backlog"], row["behind_hours"]


def test_status_ends_well_while_history_from_before_the_first_load_is_still_to_come(
    command_server: CommandServer, tmp_path: Path
) -> None:
    with serve(World(touchpoints_per_day=60, contacts=20), clock=SandboxClock(NOW)) as sandbox:
        terminal = Terminal.at(tmp_path, command_server, sandbox, "layerfive")
        assert terminal("backfill", "layerfive", "--from", DAY).code == 0
        newest = terminal("status")
        assert re.search(r"^ *layerfive/customer_journeys .* 0 +[1-9]\d* *$", newest.out, re.MULTILINE)
        assert newest.code == 0, newest.err
        # The gap filler takes the oldest first: what is between is no gap either.
        day = json.loads(terminal("status", "--json").out)[0]["oldest_missing"]
        after = datetime.fromisoformat(day) + timedelta(days=2)
        assert terminal("backfill", "layerfive", "--from", day, "--to", f"{after:%Y-%m-%d}").code == 0
        code, (row,) = terminal.status()
        assert (code, row["needs_a_person"]) == (0, [])


def test_status_of_a_home_in_which_nothing_is_loaded_says_so_and_what_is_not_configured_stands_apart(
    terminal: Terminal, tmp_path: Path
) -> None:
    begun = terminal("status", JOURNEY_PIPELINE_HOME=str(tmp_path))
    assert begun.code == 1  # a monitor is to see it
    assert re.search(r"^ *sfmc/journey_history +- +- +- +0 +\d{3} *$", begun.out, re.MULTILINE)
    assert "nothing is loaded. Run `journey-pipeline backfill sfmc/journey_history`" in begun.err
    unset = {name: None for name in terminal.sandbox.environment() if name.startswith("SFMC_")}
    unset |= {"SFMC_REQUESTS_PER_SECOND": None}
    apart = terminal("status", JOURNEY_PIPELINE_HOME=str(tmp_path), **unset)
    assert (apart.code, apart.out) == (0, "")
    assert apart.err == "Not configured: sfmc. `journey-pipeline doctor` names the variables.\n"


def test_status_asks_nobody_to_save_what_simulated_vendors_keep(
    terminal: Terminal, loaded: str, tmp_path: Path
) -> None:
    assert loaded
    demo = terminal.with_copy(tmp_path / "demo")
    demo.lake.sandbox_mark.touch()
    unset: dict[str, str | None] = {name: None for name in terminal.sandbox.environment() if name.startswith("SFMC_")}
    told = demo("status", **unset, SFMC_REQUESTS_PER_SECOND=None)
    assert re.search(r"^ *sfmc/journey_history .* 0 +\d{3} *$", told.out, re.MULTILINE)
    assert (told.code, told.err) == (
        0,
        "Simulated vendors filled this home: earlier partitions come while `journey-pipeline dev` runs.\n",
    )
    assert demo("status").code == 1  # with its variables it is an account, which may lose them


def test_a_query_answers_as_table_csv_and_json(terminal: Terminal, loaded: str) -> None:
    assert loaded
    sql = "select partition_key, events from ops.partitions order by 1 limit 1"
    assert f"{DAY}T05" in terminal("query", sql).out
    rows = list(csv.DictReader(io.StringIO(terminal("query", sql, "--format", "csv").out)))
    (line,) = terminal("query", sql, "--format", "json").out.splitlines()
    assert [json.loads(line)["events"]] == [int(row["events"]) for row in rows]


def test_normalize_needs_no_vendor(terminal: Terminal, loaded: str, sandbox: Sandbox) -> None:
    assert loaded
    sandbox.calls.clear()
    done = terminal("normalize", "sfmc", *SPAN, SFMC_AUTH_URL=None)
    assert done.code == 0, done.err
    assert len(sandbox.calls) == 0
    assert "seconds" in loaded
    assert "seconds" not in done.out  # those of the pull


def test_normalize_says_first_what_it_would_change(terminal: Terminal, loaded: str, tmp_path: Path) -> None:
    assert loaded
    copy = terminal.with_copy(tmp_path / "home")
    file = copy.lake.events_file(StreamKey("sfmc", "sfmc", "journey_history"), f"{DAY}T06")
    events = pq.read_table(file).slice(2)
    actions = ["other" if action == "send" else action for action in events.column("action").to_pylist()]
    pq.write_table(events.set_column(events.column_names.index("action"), "action", [actions]), file)
    before = {
        path: path.stat().st_mtime_ns
        for path in [*copy.home.glob("events/**/*"), *copy.home.glob("raw/**/*")]
        if path.is_file()
    }
    done = copy("normalize", "sfmc", *SPAN, "--diff", SFMC_AUTH_URL=None)
    assert done.code == 0, done.err
    sends = events.column("action").to_pylist().count("send")
    assert "3 partitions compared" in done.out
    assert re.search(r"added +2 ", done.out)
    assert re.search(rf"action +{sends} +'other' → 'send' \({sends}\)", done.out)
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.parametrize("name", ["sync", "rebuild", "publish"])
def test_the_warehouse_commands_end_well(terminal: Terminal, loaded: str, name: str) -> None:
    assert loaded
    done = terminal(name)
    assert done.code == 0, done.err


def test_an_events_folder_that_is_not_mounted_empties_no_warehouse(terminal: Terminal, loaded: str) -> None:
    assert loaded
    count = ("query", "select count(*) from core.journey_events", "--format", "csv")
    before = terminal(*count).out
    mounted, elsewhere = terminal.home / "events", terminal.home / "elsewhere"
    mounted.rename(elsewhere)
    mounted.mkdir()
    try:
        refused = terminal("sync")
        assert refused.code == 1
        assert "0 partitions added, 0 replaced, 0 removed" in refused.err
        assert "journey-pipeline sync --remove" in refused.err
        assert terminal("rebuild").code == 1
        assert terminal(*count).out == before
    finally:
        mounted.rmdir()
        elsewhere.rename(mounted)
    assert terminal("sync").code == 0


@pytest.mark.parametrize(
    ("gone", "heals"),
    [("raw", "restore it from a backup"), ("events", "make it again with `journey-pipeline normalize CONNECTION`")],
)
@pytest.mark.parametrize("is_there", [True, False], ids=["empty", "gone"])
def test_status_and_doctor_name_a_folder_that_is_not_mounted(
    terminal: Terminal, loaded: str, tmp_path: Path, gone: str, heals: str, *, is_there: bool
) -> None:
    assert loaded
    copy = terminal.with_copy(tmp_path / "home")
    shutil.rmtree(copy.home / gone)
    if is_there:
        (copy.home / gone).mkdir()
    told = copy("status")
    assert told.code == 1
    (line,) = [line for line in told.err.splitlines() if f"{gone}/ is gone or empty" in line]
    assert heals in line
    assert "nothing is loaded" not in told.err
    assert "landed without events" not in told.err
    assert json.loads(copy("status", "--json").out)[0]["needs_a_person"] == [line]
    told = copy("doctor")
    assert (told.code, f"{gone}/ is gone or empty" in " ".join(told.out.split())) == (1, True)


# Deletes all events and ends as a killed program does: with its log beside the file.
CLIENT = """
import os, sys, duckdb
session = duckdb.connect(sys.argv[1])
session.execute("delete from core.journey_events")
os.kill(os.getpid(), 9)
"""


def test_a_file_that_another_program_changed_is_told_by_status_and_query_and_mended_by_sync(
    terminal: Terminal, loaded: str
) -> None:
    assert loaded
    count = ("query", "select count(*) from core.journey_events", "--format", "csv")
    before = terminal(*count)
    assert "journey-pipeline publish" not in before.err
    file = terminal.home / "journeys.duckdb"
    file.chmod(0o644)
    subprocess.run([sys.executable, "-c", CLIENT, str(file)], check=False)
    asked, shown = terminal(*count), terminal("status")
    assert (asked.code, shown.code) == (0, 1)
    for told in (asked, shown):
        assert "another program left journeys.duckdb.wal beside journeys.duckdb" in told.err
        assert "journey-pipeline publish" in told.err
    os.utime(file)
    mended = terminal("sync")
    assert mended.code == 0, mended.err
    assert "it is moved to journeys.duckdb.foreign-wal" in mended.err
    assert "found that journeys.duckdb is not the file that was published" in mended.err
    after = terminal(*count)
    assert (after.out, after.err) == (before.out, before.err)


def test_doctor_calls_each_harmless_route(terminal: Terminal, sandbox: Sandbox) -> None:
    sandbox.calls.clear()
    done = terminal("doctor", "sfmc")
    assert done.code == 0, done.out
    assert [call.route for call in sandbox.calls.to()] == ["token", "freshness", "journeys", *["estimate"] * 4]


def test_doctor_names_a_missing_variable(terminal: Terminal) -> None:
    done = terminal("doctor", SFMC_CLIENT_ID=None, COLUMNS="1000")
    assert done.code == 1
    assert "SFMC_CLIENT_ID not set" in done.out
    assert "journey-pipeline doctor" not in done.out


def test_doctor_warns_of_a_home_that_is_open_to_everybody(terminal: Terminal) -> None:
    for mode, how in ((0o755, "warns"), (0o700, "ok")):
        terminal.home.chmod(mode)
        done = terminal("doctor")
        assert done.code == 0, done.out
        assert re.search(rf"home rights +{how} ", done.out)


def test_no_message_names_a_command_without_its_connection() -> None:
    for path in Path(journey_pipeline.__file__).parent.rglob("*.py"):
        text = path.read_text(encoding="utf-8").partition('"""\n\n')[2]  # without what the module says of itself
        assert not re.findall(r"journey-pipeline (?:normalize|backfill)(?:`| --).*", text), path


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["backfill", "nope"], 2, "there is no connection 'nope'; configured are: sfmc"),
        (["backfill", "sfmc/nope"], 2, "sfmc has: sfmc/journey_history"),
        (["backfill", "sfmc", "--from", "yesterday"], 2, "write 2026-11-01"),
        (["backfill", "sfmc", "--from", DAY, "--to", DAY], 2, "is not before --to"),
        (["backfill", "sfmc", "--from", "2020-01-01", "--to", "2020-01-02"], 2, "set an earlier `start`"),
        (["backfill", "sfmc", "--from", "0001-01-01T00:00+01:00"], 2, "write 2026-11-01"),
        (["normalize", "sfmc", "--from", DAY, "--to", DAY], 2, "is not before --to"),
        (["normalize", "sfmc", "--from", "2099-01-01"], 2, "is not before --to"),
        (["proof", "--from", DAY, "--to", DAY], 2, "is not before --to"),
        (["proof", "--from", "2099-01-01"], 2, "no partition of this span is due"),
        (["report", "--from", DAY, "--to", DAY], 2, "is not before --to"),
        (["query", "selec 1"], 1, "the query was refused"),
        (["query", "/* nothing */"], 1, "the query holds no statement"),
        (["query", "", "--out", "nothing.parquet"], 1, "the query holds no statement"),
        (["nonsense"], 2, "No such command"),
        (["sandbox", "--fault", "download:nonsense"], 2, "nonsense"),
    ],
)
def test_an_error_is_one_line_without_a_traceback(
    terminal: Terminal, loaded: str, arguments: list[str], code: int, says: str
) -> None:
    assert loaded
    done = terminal(*arguments)
    assert done.code == code, done.err
    assert says in done.err
    assert "Traceback" not in done.err
    assert done.out == ""


def test_debug_shows_the_traceback(terminal: Terminal) -> None:
    assert "Traceback" in terminal("--debug", "backfill", "nope").err


def test_every_command_is_in_the_help_with_the_first_line_of_its_own_help_in_80_columns() -> None:
    runner = CliRunner(env={"COLUMNS": "80"})
    listed = " ".join(runner.invoke(cli, ["--help"]).output.split())
    for name, command in cli.commands.items():
        line = (command.help or "").splitlines()[0]
        assert f" {name} {line} " in f"{listed} "
        told = runner.invoke(cli, [name, "--help"]).output
        assert f"\n  {line}\n" in told
        assert [wide for wide in told.splitlines() if len(wide) > 80] == []


def test_a_dot_env_file_is_read(terminal: Terminal, sandbox: Sandbox) -> None:
    file = terminal.folder / ".env"
    file.write_text(f"SFMC_AUTH_URL={sandbox.environment()['SFMC_AUTH_URL']}\n")
    try:
        assert terminal("doctor", SFMC_AUTH_URL=None).code == 0
    finally:
        file.unlink()
