from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from journey_pipeline.lake.landing import begin_attempt
from journey_pipeline.lake.sweep import sweep
from journey_pipeline_tests.lake.made_landing import KEY, NOON, PARTITION, WINDOW, MadeLanding, as_csv

BODY = as_csv([["1", "2026-11-20T09:00:00Z", "C-1", "x"]])
LONG_AGO = (NOON - timedelta(days=3)).timestamp()
LIMIT = NOON - timedelta(days=1)


def age(path: Path) -> Path:
    for one in (*path.rglob("*"), path):
        os.utime(one, (LONG_AGO, LONG_AGO))
    return path


def sweep_connection(made: MadeLanding) -> list[Path]:
    return list(sweep(made.lake, KEY.vendor, KEY.connection, LIMIT).removed)


def leftover(made: MadeLanding) -> Path:
    folder = begin_attempt(made.lake, KEY, WINDOW, NOON)
    folder.part(0, "csv.gz").write_bytes(b"half of an answer")
    return folder.path


def test_an_old_attempt_that_no_manifest_names_is_removed(made: MadeLanding) -> None:
    path = age(leftover(made))
    assert sweep_connection(made) == [path]
    assert not path.exists()


def test_an_attempt_that_is_still_written_to_is_never_removed(made: MadeLanding) -> None:
    path = age(leftover(made))
    part = path / "part-0.csv.gz"
    os.utime(part, (NOON.timestamp(), NOON.timestamp()))
    assert sweep_connection(made) == []
    assert part.exists()


def test_what_landed_stays_however_old_it_is(made: MadeLanding) -> None:
    attempt = made.land(BODY)
    made.normalize()
    age(made.home)
    before = sorted(made.home.rglob("*"))
    assert sweep_connection(made) == []
    assert sorted(made.home.rglob("*")) == before
    assert made.landed(attempt).exists()


@pytest.mark.parametrize(
    "place",
    [
        f"raw/{KEY.connection}/b/c/.manifest.json.0.tmp",
        f"events/{KEY.connection}/b/.x.parquet.0.tmp",
        "tmp/x/spill/y",
    ],
)
def test_temporary_files_of_a_crash_are_removed(made: MadeLanding, place: str) -> None:
    path = made.home / place
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x")
    age(made.home)
    removed = sweep_connection(made)
    assert len(removed) == 1
    assert not path.exists()


def test_a_lake_that_is_not_there_yet_is_clean(made: MadeLanding) -> None:
    assert sweep_connection(made) == []
    assert made.lake.landing_dir(KEY, PARTITION).exists() is False


def test_a_complete_attempt_that_no_manifest_names_is_kept_and_named_again(made: MadeLanding) -> None:
    attempts = (made.land(BODY), made.land(b""))
    made.lake.landing_manifest(KEY, PARTITION).unlink()
    age(made.home)
    swept = sweep(made.lake, KEY.vendor, KEY.connection, LIMIT)
    assert swept.removed == ()
    assert swept.restored == (made.lake.landing_dir(KEY, PARTITION),)
    assert made.manifest().attempts == attempts


def test_a_manifest_that_came_back_older_than_its_attempts_gets_them_again(made: MadeLanding) -> None:
    first = made.land(BODY)
    older = made.lake.landing_manifest(KEY, PARTITION).read_bytes()
    second = made.land(b"")
    made.lake.landing_manifest(KEY, PARTITION).write_bytes(older)
    age(made.home)
    assert sweep_connection(made) == []
    assert made.manifest().attempts == (first, second)


def test_a_sweep_touches_its_own_connection_only(made: MadeLanding) -> None:
    path = age(leftover(made))
    assert sweep(made.lake, KEY.vendor, "another", LIMIT).removed == ()
    assert path.exists()
