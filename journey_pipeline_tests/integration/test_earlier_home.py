"""A home that an earlier version left, with exports under way, is read and carried on, and loses no event.

`earlier_home.tar.xz` was made by commit ac311e1 against its sandbox: hours of Salesforce, one of them pulled twice, an
answer of LayerFive that holds two days, a day of both exports of APSIS One, and the orders of the next day, which are
overdue. Landing, events, dimensions, ledger and warehouse lie in it as they were left; the published file was a copy of
the warehouse.
"""

from __future__ import annotations

import shutil
import sqlite3
import tarfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline_tests.cli.terminal import Terminal
from journey_pipeline_tests.crash.commands import CommandServer
from journey_pipeline_tests.projects import NOW, make_project
from journey_pipeline_tests.reading import SESSION, opened
from journey_pipeline_tests.sandbox.apsis_caller import DAY, LOYALTY, MAIN, ApsisCaller

pytestmark = pytest.mark.slow(reason="commands that load")

EARLIER = Path(__file__).with_name("earlier_home.tar.xz")
LATER = NOW + timedelta(minutes=10)  # than anything in it
LANDED = {
    "sfmc/journey_history": 3,
    "layerfive/customer_journeys": 2,
    "apsis/profile_events": 1,
    "apsis/email_events": 1,
}
KEYS = "select connection || '/' || stream, event_key::varchar from"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """The world of then."""
    world = World(rows_per_hour=6, contacts=8, journeys=4, touchpoints_per_day=60, steady=True)
    with serve(world, clock=SandboxClock(LATER)) as running:
        yield running


@pytest.fixture
def terminal(sandbox: Sandbox, command_server: CommandServer, tmp_path: Path) -> Terminal:
    make_project(tmp_path, "sfmc", "layerfive", "apsis", start=DAY.start - timedelta(days=3))
    with tarfile.open(EARLIER) as archive:
        archive.extractall(tmp_path, filter="data")
    home = tmp_path / "home"
    shutil.copy(home / "warehouse.duckdb", home / "journeys.duckdb")
    have_the_orders(sandbox, home / "exports.db")
    return Terminal(command_server, sandbox, tmp_path)


def have_the_orders(sandbox: Sandbox, ledger: Path) -> None:
    """The vendor of then held three orders: this one is given the same, and the ledger what it calls them."""
    caller = ApsisCaller(sandbox)
    address = caller.ordered(caller.everything(DAY))
    reports = [caller.reported(DAY, section) for section in (MAIN, LOYALTY)]
    with closing(sqlite3.connect(ledger)) as database, database:
        waiting = "select id from journey_exports where state = 'overdue' order by id"
        profiles, *sections = [number for (number,) in database.execute(waiting).fetchall()]
        database.execute("update journey_exports set poll_address = ? where id = ?", (address, profiles))
        for number, report in zip(sections, reports, strict=True):
            database.execute("update journey_exports set vendor_export_id = ? where id = ?", (report, number))


def keys_of_the_lake(home: Path) -> Counter[tuple[str, str]]:
    return Counter(
        SESSION.execute(f"{KEYS} read_parquet('{home}/events/**/*.parquet', union_by_name = true)").fetchall()
    )


def keys_of_the_file(home: Path) -> Counter[tuple[str, str]]:
    with opened(home / "journeys.duckdb") as session:
        return Counter(session.execute(f"{KEYS} core.journey_events").fetchall())


def test_an_earlier_home_is_read_as_it_lies(terminal: Terminal) -> None:
    query = terminal("query", "select count(*) from core.journey_events", "--format", "csv")
    assert query.code == 0, query.err
    (advice,) = [line for line in terminal("doctor").out.splitlines() if " fails " in line]
    assert "run `journey-pipeline publish`" in advice
    assert terminal("publish").code == 0
    doctor = terminal("doctor")
    assert doctor.code == 0, doctor.out
    under_way = terminal("exports")
    assert under_way.out.count("pending") == 3, under_way.out
    code, rows = terminal.status()
    assert code == 1  # of what was never asked for
    assert {row["stream"]: row["complete"] + row["to_normalize"] for row in rows} == LANDED


def test_a_sync_brings_an_earlier_home_over_by_itself(terminal: Terminal) -> None:
    lost = min((terminal.home / "raw/sfmc/journey_history").glob("2026-*"))
    shutil.rmtree(lost)
    before = keys_of_the_lake(terminal.home)
    ended = terminal("sync")
    assert "sfmc/journey_history: makes the events of 3 partitions again" in ended.err
    assert "an earlier version made the events of 5 partitions: they were made again" in ended.err
    assert "of 1 partitions that can't be made again. They stay, without values in new columns. " in ended.err
    assert (
        f"The first is sfmc/journey_history {lost.name}: sfmc/journey_history {lost.name} has not landed" in ended.err
    )
    assert keys_of_the_lake(terminal.home) == before == keys_of_the_file(terminal.home)
    passages = "select partition_key, count(enrolment_id) = count(*) from core.journey_events where vendor = 'sfmc' "
    with opened(terminal.home / "journeys.duckdb") as session:
        told = dict(session.execute(f"{passages} group by all").fetchall())
    assert told == {partition: partition != lost.name for partition in told}
    again = terminal("sync")
    assert "makes the events" not in again.err


@pytest.mark.parametrize("command", ["rebuild", "backfill layerfive --from 2026-11-19 --to 2026-11-20"])
def test_other_commands_bring_an_earlier_home_over_too(terminal: Terminal, command: str) -> None:
    before = keys_of_the_lake(terminal.home)
    ended = terminal(*command.split())
    assert "makes the events of 3 partitions again" in ended.err
    assert keys_of_the_file(terminal.home) == before


def test_an_earlier_home_is_carried_on_and_keeps_every_event(terminal: Terminal) -> None:
    before = keys_of_the_lake(terminal.home)
    assert set(before.values()) == {1}
    for command in ("normalize sfmc", "normalize layerfive", "normalize apsis", "sync"):
        ended = terminal(*command.split())
        assert ended.code == 0, ended.err
    span = ("--from", f"{DAY.start:%Y-%m-%d}", "--to", f"{DAY.end:%Y-%m-%d}")
    carried = terminal("backfill", "apsis", *span)
    assert carried.code == 0, carried.err
    after = keys_of_the_file(terminal.home)
    with opened(terminal.home / "journeys.duckdb") as session:
        landed = session.execute("select state, attempt, count(*) from ops.exports group by all").fetchall()
    assert before - after == Counter()
    assert landed == [("landed", 1, 8)]  # none was ordered anew
    assert {stream for stream, _ in after - before} == {"apsis/email_events", "apsis/profile_events"}
