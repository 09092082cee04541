from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from journey_pipeline.lake.sweep import sweep
from journey_pipeline.model import partition_window
from journey_pipeline_tests.lake.made_landing import KEY, NOON, PARTITION, WINDOW, MadeLanding, as_csv, begin_attempt

BODY = as_csv([["1", "2026-11-20T09:00:00Z", "C-1", "x"]])
LONG_AGO = (NOON - timedelta(days=3)).timestamp()


def age(path: Path) -> Path:
    for one in (*path.rglob("*"), path):
        os.utime(one, (LONG_AGO, LONG_AGO))
    return path


def later() -> datetime:
    """A day after all that the test wrote."""
    return datetime.now(UTC) + timedelta(days=1)


def sweep_connection(made: MadeLanding) -> list[Path]:
    return list(sweep(made.lake, KEY.vendor, KEY.connection, later()).removed)


def leftover(made: MadeLanding) -> Path:
    folder = begin_attempt(made.lake, KEY, WINDOW, NOON)
    folder.part(0, "csv.gz").write_bytes(b"half of an answer")
    return folder.path


def test_an_old_attempt_that_no_manifest_names_is_removed(made: MadeLanding) -> None:
    path = leftover(made)
    assert sweep_connection(made) == [path]
    assert not path.exists()


def test_an_attempt_that_is_still_written_to_is_never_removed(made: MadeLanding) -> None:
    path = leftover(made)
    part = path / "part-0.csv.gz"
    after_the_limit = (later() + timedelta(hours=1)).timestamp()
    os.utime(part, (after_the_limit, after_the_limit))
    assert sweep_connection(made) == []
    assert part.exists()


def test_an_attempt_that_a_backup_is_copied_to_with_the_times_of_its_files_is_never_removed(made: MadeLanding) -> None:
    path = age(leftover(made))
    assert sweep(made.lake, KEY.vendor, KEY.connection, datetime.now(UTC) - timedelta(days=1)).removed == ()
    assert path.exists()


@pytest.mark.parametrize("place", [f"{PARTITION}/copy-of-march", "old/20261120T090000000000Z-0123abcd", "lost+found/x"])
def test_what_people_put_beside_partitions_and_attempts_is_never_removed(made: MadeLanding, place: str) -> None:
    path = made.home / "raw" / KEY.connection / KEY.stream / place / "part-0.csv.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x")
    assert sweep_connection(made) == []
    assert path.exists()


def test_a_manifest_that_nothing_can_mend_keeps_no_other_partition_from_being_swept(made: MadeLanding) -> None:
    damaged = made.home / "raw" / KEY.connection / KEY.stream / "2026-11-01T00"
    (damaged / leftover(made).name).mkdir(parents=True)
    (damaged / "manifest.json").write_bytes(b"{")
    swept = sweep(made.lake, KEY.vendor, KEY.connection, later())
    assert [path.parent.name for path in swept.removed] == [PARTITION]
    (unclear,) = swept.unclear
    assert unclear.startswith(f"{damaged / 'manifest.json'} is not a LandingManifest")


def test_a_damaged_manifest_is_made_again_from_the_notes(made: MadeLanding) -> None:
    attempt = made.land(BODY)
    made.lake.landing_manifest(KEY, PARTITION).write_bytes(b"{")
    swept = sweep(made.lake, KEY.vendor, KEY.connection, later())
    assert (swept.removed, swept.unclear) == ((), ())
    assert made.manifest().attempts == (attempt,)


def test_what_landed_stays_however_old_it_is(made: MadeLanding) -> None:
    attempt = made.land(BODY)
    made.normalize()
    before = sorted(made.home.rglob("*"))
    assert sweep_connection(made) == []
    assert sorted(made.home.rglob("*")) == before
    assert made.landed(attempt).exists()


@pytest.mark.parametrize(
    "place",
    [
        f"raw/{KEY.connection}/b/c/.manifest.json.0a1b2c3d4e5f.tmp",
        f"events/{KEY.connection}/b/.x.parquet.0a1b2c3d4e5f.tmp",
        f"drift/{KEY.connection}/b/.x.json.0a1b2c3d4e5f.tmp",
        f"cache/survey/{KEY.connection}/.x.json.0a1b2c3d4e5f.tmp",
        "tmp/x/spill/y",
    ],
)
def test_temporary_files_of_a_crash_are_removed(made: MadeLanding, place: str) -> None:
    path = made.home / place
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x")
    removed = sweep_connection(made)
    assert len(removed) == 1
    assert not path.exists()


def test_a_lake_that_is_not_there_yet_is_clean(made: MadeLanding) -> None:
    assert sweep_connection(made) == []
    assert made.lake.landing_dir(KEY, PARTITION).exists() is False


def test_a_complete_attempt_that_no_manifest_names_is_kept_and_named_again(made: MadeLanding) -> None:
    attempts = (made.land(BODY), made.land(b""))
    made.lake.landing_manifest(KEY, PARTITION).unlink()
    swept = sweep(made.lake, KEY.vendor, KEY.connection, later())
    assert swept.removed == ()
    assert swept.restored == (made.lake.landing_dir(KEY, PARTITION),)
    assert made.manifest().attempts == attempts


def test_a_manifest_that_came_back_older_than_its_attempts_gets_them_again(made: MadeLanding) -> None:
    first = made.land(BODY)
    older = made.lake.landing_manifest(KEY, PARTITION).read_bytes()
    second = made.land(b"")
    made.lake.landing_manifest(KEY, PARTITION).write_bytes(older)
    assert sweep_connection(made) == []
    assert made.manifest().attempts == (first, second)


def test_a_sweep_touches_its_own_connection_only(made: MadeLanding) -> None:
    path = leftover(made)
    assert sweep(made.lake, KEY.vendor, "another", later()).removed == ()
    assert path.exists()


def test_a_folder_in_a_manifests_place_is_named_and_keeps_no_other_partition_from_being_swept(
    made: MadeLanding,
) -> None:
    attempt = made.land(BODY)
    landed = made.lake.landing_dir(KEY, PARTITION)
    blocked = made.lake.landing_manifest(KEY, PARTITION)
    blocked.unlink()
    blocked.mkdir()
    later_one = begin_attempt(made.lake, KEY, partition_window("2026-11-20T11"), NOON).path
    swept = sweep(made.lake, KEY.vendor, KEY.connection, later())
    assert later_one in swept.removed
    (said,) = swept.unclear
    assert said.startswith(f"writing {blocked} failed: a folder stands at {blocked}, where a file goes: move it away")
    blocked.rmdir()
    assert sweep(made.lake, KEY.vendor, KEY.connection, later()).restored == (landed,)
    assert made.manifest().attempts == (attempt,)
