"""What `doctor` says of a home in which something is damaged."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from journey_pipeline.cli.demo import use_home_of_sandbox
from journey_pipeline.exports.database import open_ledger
from journey_pipeline.lake.layout import Lake
from journey_pipeline.model import StreamKey
from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline.settings import HOME_VARIABLE, LEDGER_VARIABLE, PUBLISHED_VARIABLE
from journey_pipeline_tests.cli.terminal import Terminal
from journey_pipeline_tests.crash.commands import CommandServer
from journey_pipeline_tests.exports.made_orders import requested, wanted
from journey_pipeline_tests.projects import NOW, make_project

pytestmark = pytest.mark.slow(reason="a terminal that loads")


@pytest.fixture
def terminal(tmp_path: Path, command_server: CommandServer) -> Iterator[Terminal]:
    with serve(World(rows_per_hour=10, contacts=20, steady=True), clock=SandboxClock(NOW)) as sandbox:
        yield Terminal.at(tmp_path, command_server, sandbox, "sfmc")


def test_doctor_names_each_file_that_is_damaged_and_what_heals_it(terminal: Terminal) -> None:
    terminal.changes["COLUMNS"] = "1000"
    hour = NOW - timedelta(hours=8)
    span = ("--from", f"{hour:%Y-%m-%dT%H}", "--to", f"{hour + timedelta(hours=1):%Y-%m-%dT%H}")
    assert terminal("backfill", "sfmc", *span).code == 0
    well = terminal("doctor")
    assert well.code == 0, well.out
    assert "of the newest 48 partitions 1 have landed, undamaged" in well.out

    (events,) = (terminal.home / "events").rglob("*.parquet")
    (terminal.home / "exports.db").unlink(missing_ok=True)
    for file in (terminal.home / "exports.db", terminal.home / "journeys.duckdb", events):
        aside = file.with_name("aside")
        if file.exists():
            file.rename(aside)
        file.write_bytes(b"damaged")
        told = terminal("doctor")
        assert told.code == 1
        (line,) = [line for line in told.out.splitlines() if " fails " in line]
        assert file.name in line
        file.unlink()
        if aside.exists():
            aside.rename(file)
    assert terminal("doctor").code == 0


def test_doctor_and_status_say_that_the_ledger_is_gone(terminal: Terminal) -> None:
    file = terminal.home / "exports.db"
    with open_ledger(f"sqlite:///{file}") as ledger:
        wanted(ledger)
    assert terminal("sync").code == 0
    assert "ledger of exports is gone" not in terminal("status").err
    file.unlink()
    told = terminal("status", "--json")
    assert (told.code, "ledger of exports is gone. Restore it from a backup" in told.err) == (1, True)
    told = terminal("doctor")
    assert (told.code, "ledger of exports is gone" in told.out) == (1, True)
    assert not file.exists()


def test_doctor_takes_no_simulated_vendor_for_one_that_lost_its_variables(terminal: Terminal) -> None:
    terminal.lake.landing_root(StreamKey("sfmc", "sfmc", "journey_history")).mkdir(parents=True)
    unset: dict[str, str | None] = {name: None for name in terminal.sandbox.environment() if name.startswith("SFMC_")}
    unset["SFMC_REQUESTS_PER_SECOND"] = None
    assert terminal("doctor", **unset).code == 1
    terminal.lake.sandbox_mark.touch()
    told = terminal("doctor", **unset)
    assert (told.code, "simulated vendors filled this home" in " ".join(told.out.split())) == (0, True)


def test_a_history_that_is_there_already_is_never_taken_for_the_sandboxs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in (HOME_VARIABLE, LEDGER_VARIABLE, PUBLISHED_VARIABLE):
        monkeypatch.setenv(variable, "")  # and back after the test
    for name, is_marked in (("new", True), ("used", False)):
        lake = Lake(tmp_path / name)
        if not is_marked:
            (lake.home / "raw").mkdir(parents=True)
        use_home_of_sandbox(str(lake.home))
        assert lake.sandbox_mark.exists() is is_marked


def test_doctor_warns_of_addresses_that_its_key_does_not_decrypt(terminal: Terminal) -> None:
    terminal.changes["COLUMNS"] = "1000"
    with open_ledger(f"sqlite:///{terminal.home / 'exports.db'}") as ledger:
        wanted(ledger)
        requested(ledger)
    assert "ledger key" not in terminal("doctor").out
    (terminal.home / "exports.key").unlink()
    told = terminal("doctor")
    (line,) = [line for line in told.out.splitlines() if "ledger key" in line]
    assert "the addresses of 1 exports can't be decrypted" in line
    terminal.changes["JOURNEY_PIPELINE_LINK_KEY"] = "no key"
    told = terminal("doctor")
    assert told.code == 1
    assert "JOURNEY_PIPELINE_LINK_KEY holds no key" in told.out


def test_doctor_shows_a_connection_apart_of_which_nothing_is_set(terminal: Terminal) -> None:
    make_project(terminal.folder, "apsis")
    terminal.changes["COLUMNS"] = "1000"
    unset: dict[str, str | None] = {name: None for name in terminal.sandbox.environment() if name.startswith("APSIS_")}
    told = terminal("doctor", APSIS_REQUESTS_PER_SECOND=None, **unset)
    assert told.code == 0, told.out
    last = told.out.rstrip().splitlines()[-1].lstrip()
    assert last.startswith("apsis")
    assert "not set" in last
    assert "To load it, set APSIS_URL, APSIS_CLIENT_ID, APSIS_CLIENT_SECRET." in last
    assert terminal("doctor", "apsis", APSIS_REQUESTS_PER_SECOND=None, **unset).code == 1
    some = terminal("doctor", APSIS_REQUESTS_PER_SECOND=None, **{**unset, "APSIS_CLIENT_ID": "shop"})
    assert some.code == 1
    assert "APSIS_URL, APSIS_CLIENT_SECRET not set" in some.out


VENDORS = ("apsis", "insider", "layerfive", "sfmc")


@pytest.fixture(scope="module")
def silent() -> Iterator[str]:
    """The address of a host that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("", "no answer within"),
        ("http://127.0.0.1:1", "no answer: Connection refused"),
        ("http://vendor.invalid", "no answer: "),
    ],
    ids=["silent", "refusing", "without an address"],
)
def test_doctor_makes_one_attempt_and_says_in_a_line_that_a_vendor_is_down(
    terminal: Terminal, silent: str, address: str, says: str
) -> None:
    make_project(terminal.folder, *VENDORS)
    terminal.changes["COLUMNS"] = "1000"
    down = {
        name: address or silent
        for name in terminal.sandbox.environment()
        if name.endswith("_URL") and not name.endswith(("WEBHOOK_URL", "ANALYTICS_URL"))
    }
    told = terminal("doctor", **down)
    assert told.code == 1
    lines = [line for line in told.out.splitlines() if " fails " in line]
    assert [line.split()[0] for line in lines] == list(VENDORS)
    assert all(says in line and "Gave up after 1 attempt:" in line for line in lines)
