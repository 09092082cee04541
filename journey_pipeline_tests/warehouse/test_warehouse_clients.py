"""Other programs that open the published file as DuckDB does by default, for reading and writing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from journey_pipeline.errors import WarehouseError
from journey_pipeline.lake.layout import Lake
from journey_pipeline.settings import PUBLISHED_VARIABLE
from journey_pipeline.warehouse.connection import WarehouseSettings, published_file, wal_of, warehouse_file, writer_lock
from journey_pipeline.warehouse.publish import find_published_fault, glance_at_published, look_at_files, publish
from journey_pipeline.warehouse.questions import query
from journey_pipeline.warehouse.sync import sync
from journey_pipeline_tests.new_home import put_warehouse
from journey_pipeline_tests.warehouse.made_lake import SFMC, MadeLake, events

pytestmark = pytest.mark.slow(reason="a warehouse is made in each test, and clients are started")

SMALL = WarehouseSettings(memory="500MB", threads=1, lock_wait_s=0)
FIVE, SIX = "2026-11-01T05", "2026-11-01T06"
COUNT = "select count(*) from core.journey_events"
NOBODY = 65534

# Opens the file as another user where one is given, runs SQL, says so, and holds it open until a line comes.
CLIENT = """
import os, sys, duckdb
file, sql, user, options = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
if user:
    os.setgid(user)
    os.setuid(user)
session = duckdb.connect(file, read_only=options == "read_only")
session.execute("set wal_autocheckpoint = '1GB'")
print(session.execute(sql).fetchall(), flush=True)
sys.stdin.readline()
"""


def client_command(file: Path, sql: str, user: int = 0, options: str = "") -> list[str]:
    return [sys.executable, "-c", CLIENT, str(file), sql, str(user), options]


@contextmanager
def client(file: Path, sql: str) -> Iterator[subprocess.Popen[str]]:
    """A program that has the file open for writing: as only root can, or after somebody gave it back its rights."""
    file.chmod(0o644)
    command = client_command(file, sql)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline().startswith("[")
        yield process
        process.kill()


def seen(made: MadeLake) -> list[object]:
    return [row for batch in query(made.lake, COUNT).batches for row in batch]


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    made = MadeLake(put_warehouse(tmp_path_factory.mktemp("clients") / "home"))
    made.put(FIVE, events(range(3)))
    sync(made.lake, SMALL)
    return made


@pytest.fixture
def published(synced: MadeLake, tmp_path: Path) -> MadeLake:
    made = synced.copied(tmp_path / "home")
    publish(made.lake, SMALL)
    return made


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where another user can reach the published file."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        monkeypatch.setenv(PUBLISHED_VARIABLE, f"{folder}/journeys.duckdb")
        yield Path(folder) / "journeys.duckdb"


@pytest.mark.usefixtures("place")
def test_another_user_reads_the_file_and_can_not_open_it_for_writing(published: MadeLake) -> None:
    file = published_file(published.lake)
    assert file.stat().st_mode & 0o777 == 0o444
    user = NOBODY if os.geteuid() == 0 else 0

    def ask(options: str) -> subprocess.CompletedProcess[str]:
        command = client_command(file, COUNT, user, options)
        return subprocess.run(command, input="\n", capture_output=True, text=True, check=False)

    assert ask("read_only").stdout == "[(3,)]\n"
    refused = ask("")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "Permission denied" in refused.stderr
    assert not wal_of(file).exists()
    assert seen(published) == [(3,)]


def test_a_client_that_holds_the_file_open_locks_nobody_out_of_the_next_one(published: MadeLake) -> None:
    with client(published_file(published.lake), COUNT):
        assert "can't be opened" in (find_published_fault(published.lake) or "")
        assert publish(published.lake, SMALL).published
        assert seen(published) == [(3,)]
        assert not publish(published.lake, SMALL).published


@pytest.mark.parametrize("killed", [True, False])
def test_what_a_client_deletes_is_back_after_a_publish(published: MadeLake, killed: bool) -> None:
    file = published_file(published.lake)
    with client(file, "delete from core.journey_events") as process:
        if not killed:
            process.communicate("\n")
    assert wal_of(file).exists() is killed
    assert find_published_fault(published.lake)
    assert "journey-pipeline publish" in (glance_at_published(published.lake) or "")
    report = publish(published.lake, SMALL)
    assert len(report.mended) == 1
    assert bool(report.set_aside) is killed  # the log held the deletion, the file was as it had been published
    assert report.published is not killed
    assert seen(published) == [(3,)]
    assert find_published_fault(published.lake) is None


def test_a_home_that_was_copied_holds_the_file_that_was_published(published: MadeLake) -> None:
    copied = Lake(published.lake.home.with_name("copied"))
    shutil.copytree(published.lake.home, copied.home)  # as `cp -a`: it keeps the times
    assert glance_at_published(copied) is None
    assert find_published_fault(copied) is None
    assert not publish(copied, SMALL).published


def test_a_file_that_a_new_state_replaces_is_told_of_where_it_was_changed(published: MadeLake) -> None:
    published.put(SIX, events(range(10, 15)))
    sync(published.lake, SMALL)
    assert publish(published.lake, SMALL).mended == []
    os.utime(published_file(published.lake), (0, 0))
    published.put(SIX, events(range(10, 17)))
    sync(published.lake, SMALL)
    (says,) = publish(published.lake, SMALL).mended
    assert "changed or replaced; put a new copy in its place" in says


def test_a_file_is_not_called_changed_while_a_writer_is_at_work(published: MadeLake) -> None:
    os.utime(published_file(published.lake), (0, 0))
    with writer_lock(published.lake, 0):
        assert glance_at_published(published.lake) is None
    assert glance_at_published(published.lake)


def test_who_only_has_the_published_file_is_told_nothing_of_it(place: Path, published: MadeLake) -> None:
    home = published.lake.home.with_name("nothing")
    assert place.exists()
    assert glance_at_published(Lake(home)) is None
    assert not home.exists()


def test_a_log_that_a_client_writes_after_a_publish_is_set_aside_by_the_next_one(published: MadeLake) -> None:
    file = published_file(published.lake)
    with client(file, COUNT) as process:
        published.put(SIX, events(range(10, 15)))
        sync(published.lake, SMALL)
        assert publish(published.lake, SMALL).published
        process.kill()
        process.wait()
    wal_of(file).write_bytes(b"what a client of the earlier file wrote")
    assert "journeys.duckdb.wal" in (find_published_fault(published.lake) or "")
    report = publish(published.lake, SMALL)
    assert not report.published
    assert (file.parent / report.set_aside).read_bytes() == b"what a client of the earlier file wrote"
    assert seen(published) == [(8,)]


@pytest.mark.parametrize("damage", ["in the middle", "cut off", "removed", "another file"])
def test_a_published_file_that_is_not_what_was_published_is_never_called_published(
    published: MadeLake, damage: str
) -> None:
    file = published_file(published.lake)
    content = file.read_bytes()
    middle = len(content) // 2
    file.chmod(0o644)
    if damage == "in the middle":
        with file.open("r+b") as opened:
            opened.seek(middle)
            opened.write(b"damage")
    elif damage == "cut off":
        os.truncate(file, middle)
    else:
        file.unlink()
    if damage == "another file":
        file.write_bytes(content)
    with pytest.raises(WarehouseError, match="journey-pipeline publish"):
        look_at_files(published.lake)
    assert publish(published.lake, SMALL).published
    assert find_published_fault(published.lake) is None
    assert seen(published) == [(3,)]


def test_a_sound_warehouse_is_told_from_a_damaged_one(published: MadeLake) -> None:
    file = warehouse_file(published.lake)
    sound = look_at_files(published.lake)
    assert "holds 3 events of 1 days" in sound["written"]
    os.truncate(file, 5000)
    with pytest.raises(WarehouseError, match="can't be read"):
        look_at_files(published.lake)
    assert sync(published.lake, SMALL).rebuilt
    assert publish(published.lake, SMALL).published
    assert look_at_files(published.lake) == sound


def test_a_log_that_is_not_the_writers_own_keeps_nothing_from_being_published(made: MadeLake) -> None:
    made.put(FIVE, events(range(3)))
    os.utime(made.lake.events_manifest(SFMC, FIVE), (0, 0))  # a second sync has nothing to write, however late it comes
    sync(made.lake, SMALL)
    log = wal_of(warehouse_file(made.lake))
    log.write_bytes(b"x")
    sync(made.lake, SMALL)
    report = publish(made.lake, SMALL)
    assert (report.published, report.set_aside) == (True, "warehouse.duckdb.foreign-wal")
    assert log.with_name(report.set_aside).read_bytes() == b"x"
    assert seen(made) == [(3,)]
    log.write_bytes(b"x" * 5000)
    sync(made.lake, SMALL)
    publish(made.lake, SMALL)
    assert not log.exists()
    assert seen(made) == [(3,)]
