from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys

import duckdb
import pytest

from journey_pipeline.errors import LakeError, WarehouseError
from journey_pipeline.files import naming_disk_troubles
from journey_pipeline.warehouse.connection import WarehouseSettings, naming_failures, writer_lock
from journey_pipeline.warehouse.equality import compare_with_lake
from journey_pipeline.warehouse.publish import publish
from journey_pipeline.warehouse.sync import rebuild, sync
from journey_pipeline_tests.warehouse.made_lake import MadeLake, assert_is_as_in_the_model, events

AT_ONCE = WarehouseSettings(memory="500MB", threads=1, lock_wait_s=0)
PATIENT = WarehouseSettings(memory="500MB", threads=1, lock_wait_s=60)

# Holds the lock until a line comes, or for good if it is killed.
HOLDER = """
import sys
from pathlib import Path
from journey_pipeline.lake.layout import Lake
from journey_pipeline.warehouse.connection import writer_lock
with writer_lock(Lake(Path(sys.argv[2])), 0):
    print("held", flush=True)
    sys.stdin.readline()
"""


def hold(made: MadeLake) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLDER, "backfill", str(made.lake.home), "someone@example.org"]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"
    return holder


def test_a_second_writer_is_told_who_holds_the_warehouse(made: MadeLake) -> None:
    made.put("2026-11-01T05", events([1]))
    sync(made.lake, AT_ONCE)
    with hold(made) as holder:
        for write in (sync, rebuild, publish, compare_with_lake):
            with pytest.raises(WarehouseError, match=f"process {holder.pid} on .*backfill") as refused:
                write(made.lake, AT_ONCE)
            assert "someone" not in str(refused.value)
        holder.communicate("\n")
    sync(made.lake, AT_ONCE)


def test_a_second_writer_waits_until_the_first_is_done(made: MadeLake) -> None:
    made.put("2026-11-01T05", events([1]))
    with hold(made) as holder:
        assert holder.stdin
        holder.stdin.write("\n")
        holder.stdin.flush()
        sync(made.lake, PATIENT)
        holder.communicate()
    assert_is_as_in_the_model(made)


def test_the_lock_of_a_killed_writer_is_free(made: MadeLake) -> None:
    made.put("2026-11-01T05", events([1]))
    with hold(made) as holder:
        holder.kill()
        holder.wait()
        sync(made.lake, AT_ONCE)
        holder.communicate()
    assert_is_as_in_the_model(made)


def test_two_threads_of_one_process_exclude_each_other_too(made: MadeLake) -> None:
    with writer_lock(made.lake, 0), pytest.raises(WarehouseError, match="another process"), writer_lock(made.lake, 0):
        pass


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_disk_that_locks_no_files_is_named_as_the_cause(
    made: MadeLake, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the kernel tells of a network share; DuckDB's own lock fails with the same words in its text."""

    def flock(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    says = "locks no files, .*; move to a disk of this machine with JOURNEY_PIPELINE_HOME"
    with pytest.raises(LakeError, match=says), naming_disk_troubles("syncing", made.lake.home):
        sync(made.lake, AT_ONCE)
    with pytest.raises(WarehouseError, match=says), naming_failures("writing it", "", made.lake.home):
        raise duckdb.IOException(f'Could not set lock on file "warehouse.duckdb": {os.strerror(number)}')
