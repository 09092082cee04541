"""What the operations page says to do when: each entry's damage is done, its commands are typed, and it heals.

Times of the page's examples are those of the test's hour. Not here: entries that other tests walk through (encodings,
redirects), and that the page names every check (`test_readme.py`).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from journey_pipeline.model import StreamKey
from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline_tests.bad_input.bad_vendor import BadVendor, bad_vendor, row, table
from journey_pipeline_tests.bad_input.small_disk import fill, small_disk
from journey_pipeline_tests.cli.terminal import Terminal
from journey_pipeline_tests.crash.commands import CommandServer, Ended
from journey_pipeline_tests.projects import NOW

pytestmark = pytest.mark.slow(reason="a terminal: each entry damages and heals a home")

PAGE = (Path(__file__).parents[2] / "docs/operations.md").read_text(encoding="utf-8")
HISTORY = StreamKey("sfmc", "sfmc", "journey_history")
HOUR = NOW.replace(hour=10, minute=0)  # every hour since then goes through Dagster: a few are enough
SPAN = ("--from", f"{HOUR:%Y-%m-%dT%H}", "--to", f"{HOUR + timedelta(hours=1):%Y-%m-%dT%H}")
PARTITION = SPAN[1]
COUNT = ("query", "select count(*) from core.journey_events")
TYPED = "journey-pipeline|mv|rm|chmod"


def commands_of(entry: str) -> list[str]:
    """The commands that an entry names, in its order, with the times of the test's hour."""
    (text,) = re.findall(rf"^### {re.escape(entry)}\n(.*?)(?=^##)", PAGE, re.MULTILINE | re.DOTALL)
    found = re.findall(rf"`((?:{TYPED})\s[^`]*)`|^((?:{TYPED}) .*)$", text, re.MULTILINE)
    commands = [" ".join((inline or alone).split()) for inline, alone in found]
    commands = [command.replace("backfill apsis", "backfill sfmc") for command in commands]
    return [re.sub(r"--from \S+ --to \S+", " ".join(SPAN), command) for command in commands]


def typed(terminal: Terminal, command: str) -> Ended:
    """A command as a shell takes it apart."""
    if not command.startswith("journey-pipeline "):
        done = subprocess.run(
            ["bash", "-c", command],
            env={"JOURNEY_PIPELINE_HOME": str(terminal.home), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr, 0)
    script = f'for word in {command}; do printf "%s\\0" "$word"; done'
    words = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout.split("\0")
    return terminal(*words[1:-1])


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory, command_server: CommandServer) -> Iterator[Terminal]:
    """All hours that the vendor keeps since an hour before the one that is damaged, loaded once."""
    with serve(World(rows_per_hour=20, contacts=20, steady=True), clock=SandboxClock(NOW)) as sandbox:
        terminal = Terminal.at(tmp_path_factory.mktemp("page"), command_server, sandbox, "sfmc")
        definition = terminal.folder / "shop/defs/sfmc/defs.yaml"
        text = re.sub(r'start: ".*"', f'start: "{HOUR - timedelta(hours=1):%Y-%m-%d-%H:00}"', definition.read_text())
        definition.write_text(text)
        done = terminal("backfill", "sfmc")
        assert done.code == 0, done.err
        yield terminal


@pytest.fixture(scope="module")
def count(loaded: Terminal) -> str:
    """The answer to `COUNT` of a home that is whole."""
    return loaded(*COUNT).out


@pytest.fixture
def terminal(loaded: Terminal, tmp_path: Path) -> Terminal:
    return loaded.with_copy(tmp_path / "home")


def one_manifest(home: Path) -> None:
    (home / f"raw/sfmc/journey_history/{PARTITION}/manifest.json").unlink()


def all_manifests(home: Path) -> None:
    for path in home.glob("raw/*/*/*/manifest.json"):
        path.unlink()


def some_events(home: Path) -> None:
    (home / f"events/sfmc/journey_history/{PARTITION}.parquet").write_bytes(b"damaged")


def all_events(home: Path) -> None:
    shutil.rmtree(home / "events")


def history(home: Path) -> None:
    for path in home.glob("dagster/**/*.db"):
        path.write_bytes(b"this is no database")


def a_file_of_each_kind(home: Path) -> None:
    for damage in (some_events, warehouse, published):
        damage(home)


def warehouse(home: Path) -> None:
    (home / "warehouse.duckdb").write_bytes(b"this is no warehouse")


def published(home: Path) -> None:
    file = home / "journeys.duckdb"
    file.chmod(0o600)
    content = bytearray(file.read_bytes())
    content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
    file.write_bytes(content)


def ledger(home: Path) -> None:
    (home / "exports.db").write_bytes(b"this is no ledger of exports")


@pytest.mark.parametrize(
    ("entry", "damage", "seen_by"),
    [
        ("A log, the sweep or `reconcile` says that a manifest lacked an answer", one_manifest, ("status",)),
        ("A log, the sweep or `reconcile` says that a manifest lacked an answer", all_manifests, ("status",)),
        ("`doctor` says that a file `fails`", a_file_of_each_kind, ("doctor",)),
        ("The ledger of exports is damaged", ledger, ("doctor",)),
        ("\"Dagster's history in ... can't be used\"", history, ("backfill", "sfmc")),
        ("`sync` says that partitions are missing and stay in the warehouse", all_events, ("sync",)),
        ("The warehouse can't be opened", warehouse, ("doctor",)),
        ("The published file is damaged, changed or can't be opened", published, ("doctor",)),
    ],
)
def test_an_entry_of_the_page_heals_its_damage_as_it_is_written(
    terminal: Terminal, count: str, entry: str, damage: Callable[[Path], None], seen_by: tuple[str, ...]
) -> None:
    damage(terminal.home)
    assert terminal(*seen_by).code == 1
    for command in commands_of(entry):
        if "--remove" in command and damage is not ledger:  # for what is to go
            continue
        done = typed(terminal, command)
        assert done.code == 0, f"{command}: {done.err}"
    for name in ("doctor", "status"):
        healed = terminal(name)
        assert healed.code == 0, healed.out + healed.err
    assert terminal(*COUNT).out == count


def test_the_line_of_status_heals_a_landed_file(terminal: Terminal) -> None:
    part = next(terminal.home.glob(f"raw/sfmc/journey_history/{PARTITION}/*/part-*"))
    part.unlink()
    told = terminal("status")
    assert told.code == 1
    assert terminal("normalize", "sfmc", *SPAN).code == 1  # sets the answer aside
    for said in (told.err, terminal("status").err):
        assert "landed without events" not in said
        assert said.count("damaged: ") == 1
    (command,) = re.findall(r"`(journey-pipeline backfill [^`]*)`", told.err)
    assert typed(terminal, command).code == 0
    assert terminal("status").code == 0


def test_status_counts_one_partition_whose_events_are_to_be_made(terminal: Terminal) -> None:
    (terminal.home / f"events/sfmc/journey_history/{PARTITION}.json").unlink()
    told = terminal("status")
    assert "1 partition has landed without events" in told.err
    (command,) = re.findall(r"`(journey-pipeline normalize [^`]*)`", told.err)
    assert typed(terminal, command).code == 0
    assert terminal("status").code == 0


def test_an_events_file_that_is_gone_is_told_in_one_sentence(terminal: Terminal) -> None:
    some = f"events/sfmc/journey_history/{PARTITION}.parquet"
    (terminal.home / some).unlink()
    told = terminal("sync")
    assert told.code == 1
    (line,) = [line for line in told.err.splitlines() if "warehouse_equals_lake does not hold" in line]
    assert line.count(some) == 1


def test_a_warehouse_made_empty_while_partitions_have_landed_is_no_success(terminal: Terminal) -> None:
    shutil.rmtree(terminal.home / "events")
    for path in (*terminal.home.glob("warehouse*"), *terminal.home.glob("journeys*")):
        path.unlink()
    told = terminal("sync")
    assert told.code == 1
    (line,) = [line for line in told.err.splitlines() if "although partitions have landed" in line]
    (command,) = re.findall(r"`(journey-pipeline normalize [^`]*)`", line)
    assert command == "journey-pipeline normalize sfmc"
    assert typed(terminal, command).code == 0
    assert terminal("sync").code == 0


def test_a_manifest_that_cant_be_written_is_one_sentence_and_the_others_are_made_again(terminal: Terminal) -> None:
    blocked, later, *_ = sorted(
        path for path in terminal.home.glob("raw/sfmc/*/*/manifest.json") if path.parent.name >= PARTITION
    )
    blocked.unlink()
    blocked.mkdir()
    later.write_bytes(b"")
    for command in (("normalize", "sfmc", *SPAN), ("reconcile", "sfmc")):
        told = terminal(*command)
        assert told.code == 1
        assert "a folder stands at" in told.err  # a log line is cut to the terminal's width
        assert "Traceback" not in told.err
    assert later.stat().st_size
    blocked.rmdir()
    assert terminal("reconcile", "sfmc").code == 0
    assert blocked.is_file()


def test_an_open_home_is_closed_and_the_warehouse_published_elsewhere_as_the_page_says(
    terminal: Terminal, count: str, tmp_path: Path
) -> None:
    terminal.home.chmod(0o755)
    assert "warns" in terminal("doctor", COLUMNS="1000").out
    close, sync, remove = commands_of("`doctor` says that the home is open")
    assert typed(terminal, close).code == 0
    assert "warns" not in terminal("doctor", COLUMNS="1000").out
    (tmp_path / "analysts").mkdir()
    variables = terminal.folder / ".env"
    variables.write_text(f"JOURNEY_PIPELINE_PUBLISHED_FILE={tmp_path / 'analysts/journeys.duckdb'}\n")
    try:
        for command in (sync, remove):
            done = typed(terminal, command)
            assert done.code == 0, done.err
        assert (tmp_path / "analysts/journeys.duckdb").exists()
        assert not (terminal.home / "journeys.duckdb").exists()
        assert terminal(*COUNT).out == count
    finally:
        variables.unlink()


def test_a_disk_that_is_full_at_the_end_of_a_sync_is_named_and_the_next_sync_publishes(
    terminal: Terminal, count: str, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk") as disk:
        on_disk = terminal.with_copy(disk / "home")
        published = on_disk.home / "journeys.duckdb"
        os.utime(published)  # as another program changes it, so that it is published again
        filler = fill(disk, published.stat().st_size // 2)
        told = on_disk("sync")
        assert told.code == 1
        assert re.search(rf"{on_disk.home}\S* is full", told.err), told.err
        assert on_disk(*COUNT).out == count
        filler.unlink()
        again = on_disk("sync")
        assert again.code == 0, again.err
        assert on_disk("status").code == 0


@pytest.fixture
def vendor() -> Iterator[BadVendor]:
    with bad_vendor() as vendor:
        yield vendor


def test_rejects_are_explained_and_healed_as_the_page_says(terminal: Terminal, vendor: BadVendor) -> None:
    terminal.changes |= vendor.environment()
    at = {"TransactionTime": f"{PARTITION}:30:00Z", "CreatedDate": f"{PARTITION}:31:00Z"}
    vendor.gives(
        table([row(number, **at, ContactKey='"') for number in range(12)]).replace(b":30:00Z", b":30 Uhr"), rows=12
    )
    explain, normalize, ask_again = commands_of("Records are rejects")
    told = typed(terminal, ask_again)
    assert told.code == 1
    assert "rejects_are_few does not hold: 12 of 12 records" in told.err
    explained = typed(terminal, explain)
    assert explained.code == 0
    assert "unreadable time" in explained.out
    assert typed(terminal, normalize).code == 1  # this package reads it no better than before
    vendor.gives(table([row(number, **at) for number in range(12)]), rows=12)
    healed = typed(terminal, ask_again)
    assert healed.code == 0, healed.err
    assert terminal("status").code == 0
