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


def leftover(made: MadeLanding) -> Path:
    folder = begin_attempt(made.lake, KEY, WINDOW, NOON)
    folder.part(0, "csv.gz").write_bytes(b"half of an answer")
    return folder.path


def test_an_old_attempt_that_no_manifest_names_is_removed(made: MadeLanding) -> None:
    path = age(leftover(made))
    assert sweep(made.lake, LIMIT) == [path]
    assert not path.exists()


def test_an_attempt_that_is_still_written_to_is_never_removed(made: MadeLanding) -> None:
    path = age(leftover(made))
    part = path / "part-0.csv.gz"
    os.utime(part, (NOON.timestamp(), NOON.timestamp()))
    assert sweep(made.lake, LIMIT) == []
    assert part.exists()


def test_what_landed_stays_however_old_it_is(made: MadeLanding) -> None:
    attempt = made.land(BODY)
    made.normalize()
    age(made.home)
    before = sorted(made.home.rglob("*"))
    assert sweep(made.lake, LIMIT) == []
    assert sorted(made.home.rglob("*")) == before
    assert made.landed(attempt).exists()


@pytest.mark.parametrize("place", ["raw/a/b/c/.manifest.json.0.tmp", "events/a/b/.x.parquet.0.tmp", "tmp/x/spill/y"])
def test_temporary_files_of_a_crash_are_removed(made: MadeLanding, place: str) -> None:
    path = made.home / place
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x")
    age(made.home)
    removed = sweep(made.lake, LIMIT)
    assert len(removed) == 1
    assert not path.exists()


def test_a_lake_that_is_not_there_yet_is_clean(made: MadeLanding) -> None:
    assert sweep(made.lake, LIMIT) == []
    assert made.lake.landing_dir(KEY, PARTITION).exists() is False
