from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from journey_pipeline.errors import WarehouseError
from journey_pipeline.warehouse.connection import WarehouseSettings, warehouse_file
from journey_pipeline.warehouse.equality import Proof, compare_with_lake, proof_file
from journey_pipeline.warehouse.sync import sync
from journey_pipeline_tests.new_home import put_warehouse
from journey_pipeline_tests.warehouse.made_lake import SFMC, MadeLake, events

pytestmark = pytest.mark.slow(reason="a warehouse is made in each test")

SMALL = WarehouseSettings(memory="500MB", threads=1, lock_wait_s=0)
FIVE, SIX = "2026-11-01T05", "2026-11-01T06"


@pytest.fixture(scope="module")
def synced_once(tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    made = MadeLake(put_warehouse(tmp_path_factory.mktemp("equality") / "home"))
    made.put(FIVE, events([1, 2], attempt="a1"))
    made.put(SIX, events([2, 3], attempt="a2"))
    sync(made.lake, SMALL)
    return made


@pytest.fixture
def synced(synced_once: MadeLake, tmp_path: Path) -> MadeLake:
    return synced_once.copied(tmp_path / "home")


def test_a_synced_warehouse_equals_the_lake(synced: MadeLake) -> None:
    report = compare_with_lake(synced.lake, SMALL)
    assert (report.is_equal, report.partitions, report.events) == (True, 2, 3)


def test_a_lake_that_changed_is_noticed(synced: MadeLake) -> None:
    synced.put(FIVE, events([1]))
    synced.put("2026-11-01T07", events([7]))
    synced.remove(SIX)
    report = compare_with_lake(synced.lake, SMALL)
    assert report.not_loaded == (f"sfmc/journey_history/{FIVE}", "sfmc/journey_history/2026-11-01T07")
    assert report.extra == (f"sfmc/journey_history/{SIX}",)
    assert not report.is_equal


@pytest.mark.parametrize(
    "damage",
    [
        "delete from core.journey_events where landing_row = 1 and partition_key like '%05'",
        "insert into core.journey_events from core.journey_events limit 1",
        "update core.journey_events set event_key = uuid() where landing_row = 2 and partition_key like '%06'",
    ],
)
def test_what_was_proven_once_hides_no_damage_that_came_later(synced: MadeLake, damage: str) -> None:
    assert compare_with_lake(synced.lake, SMALL).is_equal
    with duckdb.connect(warehouse_file(synced.lake)) as session:
        session.execute(damage)
    assert not compare_with_lake(synced.lake, SMALL).is_equal


@pytest.mark.parametrize("content", [b"", b"cut off", None])
def test_a_loaded_file_of_the_lake_that_is_not_there_in_its_size_is_named(
    synced: MadeLake, content: bytes | None
) -> None:
    file = synced.lake.events_file(SFMC, FIVE)
    file.unlink()
    if content is not None:
        file.write_bytes(content)
        os.utime(file, (0, 0))
    seen = sync(synced.lake, SMALL)
    for report in (seen, compare_with_lake(synced.lake, SMALL), compare_with_lake(synced.lake, SMALL, seen.listing)):
        assert [broken.path for broken in report.broken] == [f"events/{SFMC.connection}/{SFMC.stream}/{FIVE}.parquet"]
    assert compare_with_lake(synced.lake, SMALL).events == 3


def test_what_a_sync_has_looked_at_is_held_against_the_warehouse_as_it_lies_there(synced: MadeLake) -> None:
    synced.put("2026-11-01T07", events([7]))
    seen = sync(synced.lake, SMALL)
    assert compare_with_lake(synced.lake, SMALL, seen.listing).is_equal
    with duckdb.connect(warehouse_file(synced.lake)) as session:
        session.execute("delete from internal.files where partition_key = ?", [FIVE])
        session.execute("delete from core.journey_events where partition_key = ?", [SIX])
    report = compare_with_lake(synced.lake, SMALL, seen.listing)
    assert report.not_loaded == (f"sfmc/journey_history/{FIVE}",)
    assert f"sfmc/journey_history/{SIX}" in report.miscounted


def test_a_proof_grows_with_what_is_loaded_and_is_made_anew_when_files_go(synced: MadeLake) -> None:
    assert compare_with_lake(synced.lake, SMALL).is_equal
    synced.put("2026-11-01T07", events([3, 4, 5], attempt="a3"))
    sync(synced.lake, SMALL)
    assert compare_with_lake(synced.lake, SMALL).events == 5
    synced.remove(SIX)
    sync(synced.lake, SMALL)
    report = compare_with_lake(synced.lake, SMALL)
    assert (report.is_equal, report.events) == (True, 5)
    assert compare_with_lake(synced.lake, SMALL).events == 5


@pytest.mark.parametrize(
    ("damage", "noticed"),
    [
        ("delete from core.journey_events where landing_row = 1 and partition_key like '%07'", (1, 0)),
        ("delete from core.journey_events where partition_key like '%05'", (1, 0)),
        ("insert into core.journey_events from core.journey_events where partition_key like '%07' limit 1", (0, 1)),
    ],
)
def test_damage_is_noticed_together_with_files_that_are_new_and_repeat_keys(
    synced: MadeLake, damage: str, noticed: tuple[int, int]
) -> None:
    assert compare_with_lake(synced.lake, SMALL).is_equal
    synced.put("2026-11-01T07", events([3, 4], attempt="a3"))
    sync(synced.lake, SMALL)
    with duckdb.connect(warehouse_file(synced.lake)) as session:
        session.execute(damage)
    report = compare_with_lake(synced.lake, SMALL)
    assert (report.missing_keys, report.repeated_keys) == noticed


def test_a_comparison_reads_only_files_that_are_new_as_long_as_they_repeat_no_key(synced: MadeLake) -> None:
    assert compare_with_lake(synced.lake, SMALL).is_equal
    unreadable = synced.lake.events_file(SFMC, FIVE)
    unreadable.write_bytes(b"x" * unreadable.stat().st_size)
    synced.put("2026-11-01T07", events([8, 9], attempt="a3"))
    sync(synced.lake, SMALL)
    report = compare_with_lake(synced.lake, SMALL)
    proven = Proof.read(proof_file(synced.lake))
    assert report.is_equal
    assert proven
    assert (len(proven.contents), proven.lake.keys) == (3, 5)


def test_a_proof_that_cannot_be_read_is_made_again(synced: MadeLake) -> None:
    assert compare_with_lake(synced.lake, SMALL).is_equal
    (synced.lake.home / "warehouse.proof.json").write_text("[")
    assert compare_with_lake(synced.lake, SMALL).is_equal


def test_a_partition_that_is_gone_or_another_is_not_called_damaged_too(synced: MadeLake) -> None:
    synced.put(FIVE, events([1, 2, 3, 4], attempt="a3"))
    synced.remove(SIX)
    os.utime(synced.lake.events_file(SFMC, FIVE), (0, 0))
    report = compare_with_lake(synced.lake, SMALL)
    assert (len(report.not_loaded), len(report.extra), report.broken) == (1, 1, ())


def test_a_broken_file_is_noticed(synced: MadeLake) -> None:
    synced.lake.events_manifest(SFMC, FIVE).write_text("{")
    assert [broken.path for broken in compare_with_lake(synced.lake, SMALL).broken] == [
        f"events/sfmc/journey_history/{FIVE}.json"
    ]


@pytest.mark.parametrize(
    ("damage", "noticed"),
    [
        ("delete from core.journey_events where contact_id = 'C-1' and landing_row = 1", "miscounted"),
        ("insert into core.journey_events from core.journey_events limit 1", "repeated_keys"),
        ("update core.journey_events set partition_key = '2026-12-01T00'", "extra"),
        (
            "update core.journey_events set event_key = uuid() where landing_row = 1 and partition_key like '%06'",
            "missing_keys",
        ),
    ],
)
def test_a_damaged_warehouse_is_noticed(synced: MadeLake, damage: str, noticed: str) -> None:
    with duckdb.connect(warehouse_file(synced.lake)) as session:
        session.execute(damage)
    report = compare_with_lake(synced.lake, SMALL)
    assert getattr(report, noticed)
    assert report.problems


def test_comparing_before_the_first_sync_says_what_to_do(never_synced: MadeLake) -> None:
    with pytest.raises(WarehouseError, match="journey-pipeline sync"):
        compare_with_lake(never_synced.lake, SMALL)


def replace(made: MadeLake) -> None:
    made.put(FIVE, events([1, 9]))


def add(made: MadeLake) -> None:
    made.put("2026-11-01T07", events([7]))


def remove(made: MadeLake) -> None:
    made.remove(FIVE)


def put_events_alone(made: MadeLake) -> None:
    """As a load does before it puts their manifest."""
    manifest = made.lake.events_manifest(SFMC, FIVE)
    before = manifest.read_bytes()
    made.put(FIVE, events([1, 9]))
    manifest.write_bytes(before)


@pytest.mark.parametrize("change", [replace, add, remove, put_events_alone])
@pytest.mark.parametrize("is_known", [True, False])
def test_what_lands_between_the_read_of_a_sync_and_the_comparison_is_no_difference(
    synced: MadeLake, change: Callable[[MadeLake], None], is_known: bool
) -> None:
    if is_known:
        assert compare_with_lake(synced.lake, SMALL).is_equal
    synced.put("2026-11-01T04", events([4]))
    seen = sync(synced.lake, SMALL)
    change(synced)
    report = compare_with_lake(synced.lake, SMALL, seen.listing)
    assert report.problems == []


def test_a_load_that_lands_hides_no_damage_of_other_partitions(synced: MadeLake) -> None:
    seen = sync(synced.lake, SMALL)
    add(synced)
    with duckdb.connect(warehouse_file(synced.lake)) as session:
        session.execute("update core.journey_events set event_key = uuid() where partition_key = ?", [SIX])
    report = compare_with_lake(synced.lake, SMALL, seen.listing)
    assert report.missing_keys > 0
    assert report.not_loaded == ()
