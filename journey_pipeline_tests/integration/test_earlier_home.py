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

import duckdb
import pytest

from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline_tests.cli.terminal import Terminal
from journey_pipeline_tests.crash.commands import CommandServer
from journey_pipeline_tests.projects import NOW, make_project
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


def test_an_earlier_home_is_carried_on_and_keeps_every_event(terminal: Terminal) -> None:
    with duckdb.connect() as session:
        files = f"read_parquet('{terminal.home}/events/**/*.parquet')"
        before = Counter(session.execute(f"{KEYS} {files}").fetchall())
    assert set(before.values()) == {1}
    for command in ("normalize sfmc", "normalize layerfive", "normalize apsis", "sync"):
        ended = terminal(*command.split())
        assert ended.code == 0, ended.err
    span = ("--from", f"{DAY.start:%Y-%m-%d}", "--to", f"{DAY.end:%Y-%m-%d}")
    carried = terminal("backfill", "apsis", *span)
    assert carried.code == 0, carried.err
    with duckdb.connect(str(terminal.home / "journeys.duckdb"), read_only=True) as session:
        after = Counter(session.execute(f"{KEYS} core.journey_events").fetchall())
        landed = session.execute("select state, attempt, count(*) from ops.exports group by all").fetchall()
    assert before - after == Counter()
    assert landed == [("landed", 1, 8)]  # none was ordered anew
    assert {stream for stream, _ in after - before} == {"apsis/email_events", "apsis/profile_events"}
