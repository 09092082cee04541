"""A ledger that an earlier version wrote, with open exports in every state of it, is opened and carried on."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from journey_pipeline.errors import LedgerError
from journey_pipeline.exports import database
from journey_pipeline.exports.calls import find_hook
from journey_pipeline.exports.database import open_ledger
from journey_pipeline.exports.export import Edge, Export, Order
from journey_pipeline.exports.ledger import after
from journey_pipeline.exports.turns import listed
from journey_pipeline_tests.exports.made_orders import DAY, HOUR, NOW, POLICY, queue, steps

pytestmark = pytest.mark.slow(reason="a ledger is brought over at each of its statements")

FIRST = Path(__file__).parent / "ledger_version_1"  # as commit ac311e1 wrote it
STANDINGS = [
    "pending: overdue",
    "pending",
    "ready",
    "wanted: failed",
    "wanted: lost",
    "wanted: refused",
    "wanted: unanswered",
    "stopped: rejected",
    "stopped: failed",
    "stopped: lost",
    "split",
    "ready",
    "pending",
    "landed",
    "replaced",
    "asking",
    "wanted",
]


def write_first_version(url: str) -> None:
    """A ledger of version 1 at a URL."""
    if url.startswith("sqlite:///"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
            written = (FIRST / "sqlite.sql").read_text() + (FIRST / "rows.sql").read_text()
            connection.executescript(f"begin; {written} commit;")
        return
    import psycopg  # noqa: PLC0415 - only where PostgreSQL is

    with psycopg.connect(url) as connection:
        connection.execute("set time zone 'UTC'")
        for name in ("postgresql.sql", "rows.sql"):
            connection.execute((FIRST / name).read_text().encode())
        for table in ("journey_exports", "journey_export_transitions"):
            connection.execute(
                f"select setval(pg_get_serial_sequence('{table}', 'id'), (select max(id) from {table}))".encode()
            )


@pytest.fixture
def first_version(empty_url: str) -> str:
    write_first_version(empty_url)
    return empty_url


def rows(url: str) -> list[Any]:
    """Version and exports, as they lie there."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    try:
        with engine.connect() as connection:
            version = connection.scalar(text("select version from journey_export_schema"))
            return [version, *connection.execute(text("select * from journey_exports order by id"))]
    finally:
        engine.dispose()


def test_an_earlier_ledger_says_the_same_in_states_and_reasons_of_today(first_version: str) -> None:
    with open_ledger(first_version) as ledger:
        found = {export.id: export for export in listed(ledger, with_ended=True)}
        assert [found[export_id].standing for export_id in sorted(found)] == STANDINGS
        assert found[2].poll_address == "https://api.apsis.example/exports/ex-2?sig=s3cr3t-2"
        with ledger.reading() as tx:
            walks = {export_id: steps(tx, export_id) for export_id in found}
    assert [edge for edge, *_ in walks[9]] == [*[Edge.ASK, Edge.ANSWER, Edge.ASK_AGAIN] * 2, *["ask", "answer", "stop"]]
    wrong = [step for walk in walks.values() for step in walk if after(step[1], step[0]) is not step[2]]
    assert wrong == []


def test_exports_of_an_earlier_ledger_are_carried_on_till_they_have_landed(first_version: str) -> None:
    with open_ledger(first_version) as ledger:
        at = NOW + DAY
        for stopped in (8, 9, 10):
            export = next(one for one in listed(ledger) if one.id == stopped)
            queue(ledger, at).want(_order_of(export), again=True)
        while (due_at := queue(ledger, at).next_due_at()) and at < NOW + 30 * DAY:
            at = max(at, due_at)
            while asked := queue(ledger, at).next_to_ask():
                queue(ledger, at).asked(asked, vendor_export_id=f"again-{asked.id}")
            at += HOUR
            while looking := queue(ledger, at).next_to_look():
                queue(ledger, at).ready(looking, status=200)
            for chance in queue(ledger, at).fetchable():
                collection = queue(ledger, at).lease_to_fetch(chance.root.id)
                assert collection is not None
                queue(ledger, at).landed(collection)
        ends = {str(export.state) for export in listed(ledger, with_ended=True) if export.id != 15}
        assert ends == {"landed"}
        new = queue(ledger, at).want(_order_of(listed(ledger, with_ended=True)[0]))
        assert new.id == 18


def _order_of(export: Export) -> Order:
    return Order(export.key, export.partition, export.window, export.request)


def test_a_request_of_an_earlier_ledger_counts_for_its_day(first_version: str) -> None:
    with open_ledger(first_version) as ledger:
        # Of the day's requests two were plainly refused, by exports 6 and 8.
        with ledger.reading() as tx:
            asked = [step for export in range(1, 18) for step in steps(tx, export) if step[0] is Edge.ASK]
        today = sum(at.date() == NOW.date() for *_, at in asked) - 2
        for limit, is_full in ((today, True), (today + 1, False)):
            policy = replace(POLICY, pending_limit=100, asks_per_day=limit)
            assert (queue(ledger, NOW, policy=policy).next_to_ask() is None) is is_full


def test_addresses_of_an_earlier_ledger_are_in_clear_nowhere_any_more(tmp_path: Path) -> None:
    write_first_version(f"sqlite:///{tmp_path / 'exports.db'}")
    with open_ledger(f"sqlite:///{tmp_path / 'exports.db'}") as ledger:
        assert sum(export.poll_address is not None for export in listed(ledger)) == 5
        held = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(held) >= {"exports.db", "exports.key"}
    assert [name for name, content in held.items() if b"s3cr3t" in content or b"api.apsis.example" in content] == []


def test_a_ledger_whose_wiping_was_cut_off_is_wiped_when_it_is_next_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_first_version(f"sqlite:///{tmp_path / 'exports.db'}")
    with monkeypatch.context() as patched:
        patched.setattr(database, "_wipe", lambda _: None)
        open_ledger(f"sqlite:///{tmp_path / 'exports.db'}").close()
    with open_ledger(f"sqlite:///{tmp_path / 'exports.db'}"):
        assert b"s3cr3t" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())
    with closing(sqlite3.connect(tmp_path / "exports.db")) as connection:
        assert connection.execute("pragma user_version").fetchone() == (0,)


def test_opening_it_again_changes_nothing(first_version: str) -> None:
    open_ledger(first_version).close()
    before = rows(first_version)
    open_ledger(first_version).close()
    assert rows(first_version) == before
    assert before[0] == 3


def test_a_ledger_of_the_second_version_gets_hooks_and_keeps_what_it_had(
    first_version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(database, "SCHEMA_VERSION", 2)
        open_ledger(first_version).close()
    before = rows(first_version)
    assert before[0] == 2
    with open_ledger(first_version) as ledger:
        assert rows(first_version) == [3, *before[1:]]
        asked = queue(ledger, NOW + DAY, policy=replace(POLICY, hook_life=2 * DAY, pending_limit=100)).next_to_ask()
        assert asked is not None
        with ledger.writing() as tx:
            hook = find_hook(tx, str(asked.hook), at=NOW + DAY)
        assert hook is not None
        assert hook.export_id == asked.id
        fingerprint = ledger.fingerprint()
    with open_ledger(first_version) as again:
        assert again.fingerprint() == fingerprint


def test_two_who_open_it_at_once_bring_it_to_this_version_once(first_version: str) -> None:
    together = threading.Barrier(4)

    def open_it(_: int) -> list[str]:
        together.wait()
        with open_ledger(first_version) as ledger:
            return [export.standing for export in sorted(listed(ledger, with_ended=True), key=lambda one: one.id)]

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(open_it, range(4))) == [STANDINGS] * 4


# Opens ledgers in children, each of which dies at a later statement or commit, until one lives.
KILLED = """
import os, sys
from sqlalchemy import Engine, event
from journey_pipeline.exports.export import Export, Order
from journey_pipeline.exports.database import open_ledger
left = 0
@event.listens_for(Engine, "before_cursor_execute")
@event.listens_for(Engine, "commit")
def die(*_):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), 9)
for left, url in enumerate(sys.argv[1:]):
    child = os.fork()
    if not child:
        open_ledger(url).close()
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def test_a_process_that_is_killed_at_any_statement_leaves_a_ledger_that_opens(tmp_path: Path) -> None:
    urls = [f"sqlite:///{tmp_path / f'{death}.db'}" for death in range(40)]
    write_first_version(urls[0])
    for url in urls[1:]:
        shutil.copy(urls[0].removeprefix("sqlite:///"), url.removeprefix("sqlite:///"))
    run = subprocess.run([sys.executable, "-c", KILLED, *urls], check=True, timeout=120, capture_output=True, text=True)
    ends = [int(end) for end in run.stdout.split()]
    deaths = ends.index(0)
    assert deaths > 5
    assert ends == [-9] * deaths + [0] * (len(urls) - deaths)
    for url in urls[: deaths + 1]:
        with open_ledger(url) as ledger:
            found = sorted(listed(ledger, with_ended=True), key=lambda one: one.id)
        assert [export.standing for export in found] == STANDINGS


def test_a_step_that_fails_leaves_the_ledger_of_before(first_version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*given: Any) -> None:
        database._to_2(*given)
        raise RuntimeError("the disk is gone")

    before = rows(first_version)
    monkeypatch.setattr(database, "STEPS", {**database.STEPS, 2: fail})
    with pytest.raises(RuntimeError, match="disk"):
        open_ledger(first_version)
    assert rows(first_version) == before


def test_there_is_a_step_to_each_version() -> None:
    assert sorted(database.STEPS) == list(range(2, database.SCHEMA_VERSION + 1))


def test_a_ledger_of_a_newer_version_is_left_alone(first_version: str) -> None:
    engine = create_engine(first_version.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        connection.execute(text("update journey_export_schema set version = 99"))
    engine.dispose()
    before = rows(first_version)
    with pytest.raises(LedgerError, match="version 99, this package knows 3: upgrade"):
        open_ledger(first_version)
    assert rows(first_version) == before
