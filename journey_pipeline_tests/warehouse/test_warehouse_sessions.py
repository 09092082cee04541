"""The DuckDB that is kept for the next session on a file: when it is used again, and when it is not."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pytest

from journey_pipeline.lake.layout import Lake
from journey_pipeline.warehouse.connection import reading

SUM = "select sum(number) from numbers"

# Leaves a DuckDB idle, forks, and asks in both processes, which end as programs do; the exit code is the child's.
FORKING = """
import os, sys
from pathlib import Path
from journey_pipeline.lake.layout import Lake
from journey_pipeline.warehouse.connection import reading

def ask():
    file = Path(sys.argv[1])
    with reading(Lake(file.parent), file) as session:
        return session.execute(sys.argv[2]).fetchall()

before = ask()
if child := os.fork():
    _, status = os.waitpid(child, 0)
    assert ask() == before
    sys.exit(os.waitstatus_to_exitcode(status))
sys.exit(ask() != before)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "numbers.duckdb"
    with duckdb.connect(file) as session:
        session.execute("create table numbers as select range as number from range(10)")
    return file


def asked(file: Path, sql: str = SUM, memory: str = "1GB") -> list[tuple[object, ...]]:
    with reading(Lake(file.parent), file, memory) as session:
        return session.execute(sql).fetchall()


def test_the_next_session_sees_the_file_that_took_the_place_of_the_last_ones(file: Path) -> None:
    assert asked(file) == [(45,)]
    another = file.with_name("another.duckdb")
    with duckdb.connect(another) as session:
        session.execute("create table numbers as select 7 as number")
    another.replace(file)
    assert asked(file) == [(7,)]


def test_a_session_that_failed_leaves_nothing_to_the_next_one(file: Path) -> None:
    with pytest.raises(duckdb.Error), reading(Lake(file.parent), file) as session:
        session.execute("create temp table numbers as select 1 as number; begin; select error('broken')")
    assert asked(file) == [(45,)]


@pytest.mark.parametrize("home", ["", "another", "none/at/all"])
def test_a_session_that_spills_finds_a_folder_for_it_and_leaves_no_file(
    file: Path, home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (file.parent / "another").mkdir()
    (machines := file.parent / "machine").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(machines))
    lake = Lake(file.parent / home)
    with reading(lake, file, "50MB") as session:
        session.execute("create temp table large as select md5(range::varchar) as text from range(1_500_000)")
        (spill,) = (lake.work_dir if home in {"", "another"} else machines).iterdir()
        assert list(spill.iterdir())
    assert not spill.exists()
    assert asked(file) == [(45,)]


def test_a_forked_process_asks_with_a_duckdb_of_its_own(file: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FORKING, str(file), SUM], capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_threads_that_ask_at_the_same_time_have_one_each(file: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        assert set(map(tuple, threads.map(asked, [file] * 200))) == {((45,),)}
