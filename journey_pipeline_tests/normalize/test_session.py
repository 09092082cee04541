from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from journey_pipeline.errors import LakeError
from journey_pipeline.lake.layout import Lake
from journey_pipeline.normalize.session import MOST_IDLE, NormalizeLimits, session
from journey_pipeline_tests.lake.made_landing import MadeLanding, as_csv

LIMITS = NormalizeLimits(memory="50MB")
# Leaves a DuckDB idle, forks, and uses one in both processes, which end as programs do; the exit code is the child's.
FORKING = """
import os, sys
from pathlib import Path
from journey_pipeline.lake.layout import Lake
from journey_pipeline.normalize.session import NormalizeLimits, session

def use():
    with session(Lake(Path(sys.argv[1])), NormalizeLimits(memory="50MB")) as opened:
        return opened.count("select 42")

use()
if child := os.fork():
    _, status = os.waitpid(child, 0)
    assert use() == 42
    sys.exit(os.waitstatus_to_exitcode(status))
sys.exit(use() != 42)
"""
MACROS = ("create macro doubled(number) as number * 2",)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path)


def used(lake: Lake, limits: NormalizeLimits = LIMITS, macros: tuple[str, ...] = MACROS) -> object:
    with session(lake, limits, macros=macros) as opened:
        return opened.connection


def test_the_next_partition_has_the_same_duckdb_and_nothing_of_the_last_one(lake: Lake) -> None:
    with session(lake, LIMITS, macros=MACROS) as first:
        first.connection.execute("create temp table numbers as select 1 as number")
    with session(Lake(lake.home / "another"), LIMITS, macros=MACROS) as second:
        assert second.connection is first.connection
        assert second.count("select doubled(21)") == 42
        assert second.count("select count(*) from duckdb_tables()") == 0
        assert second.one("select current_setting('temp_directory')") == (str(second.folder / "spill"),)
    assert list(lake.work_dir.iterdir()) == []


@pytest.mark.parametrize(
    "other", [(NormalizeLimits(memory="60MB"), MACROS), (LIMITS, ()), (LIMITS, ("create macro doubled(x) as x + x",))]
)
def test_a_partition_with_other_limits_or_functions_has_another_duckdb(
    lake: Lake, other: tuple[NormalizeLimits, tuple[str, ...]]
) -> None:
    assert used(lake) is not used(lake, *other)


def test_a_forked_process_has_a_duckdb_of_its_own(lake: Lake) -> None:
    command = [sys.executable, "-c", FORKING, str(lake.home)]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_after_an_error_a_duckdb_is_not_used_again(lake: Lake) -> None:
    with pytest.raises(LakeError, match="ran out of the 50MB"), session(lake, LIMITS, macros=MACROS) as broken:
        broken.connection.execute("select list(md5(number::varchar)) from range(10_000_000) as numbers(number)")
    assert used(lake) is not broken.connection
    assert list(lake.work_dir.iterdir()) == []


def test_one_that_has_spilled_is_not_used_again_and_leaves_no_file(lake: Lake) -> None:
    with session(lake, LIMITS, macros=MACROS) as opened:
        opened.connection.execute(
            "create temp table large as select md5(number::varchar) as text from range(2_000_000) as numbers(number)"
        )
        assert (opened.folder / "spill").exists()
    assert used(lake) is not opened.connection
    assert list(lake.work_dir.iterdir()) == []


def test_as_many_are_kept_as_can_be_at_work_and_no_more(lake: Lake) -> None:
    first = used(lake)
    others = [(f"create macro tenfold(number) as number * {factor}",) for factor in range(MOST_IDLE)]
    kept = [used(lake, macros=macros) for macros in others]
    assert [used(lake, macros=macros) for macros in others] == kept
    assert used(lake) is not first


def test_one_that_can_not_be_opened_is_not_at_work_afterwards(lake: Lake) -> None:
    with pytest.raises(duckdb.Error), session(lake, NormalizeLimits(memory="much")):
        pass
    with session(lake, LIMITS) as opened:
        assert opened.is_alone


@pytest.mark.parametrize(
    "tail", ["", pytest.param("9,short\r\n", marks=pytest.mark.slow(reason="tens of thousands of records"))]
)
def test_events_are_the_same_bytes_beside_other_partitions_as_alone(made: MadeLanding, tail: str) -> None:
    made.land(as_csv([[str(number), "2026-11-20T09:00:00Z", "C", "x"] for number in range(30_000)]) + tail.encode())
    made.normalize()
    alone = made.files()
    with session(made.lake, LIMITS) as other:
        assert other.is_alone
        made.normalize()
    assert made.files() == alone
