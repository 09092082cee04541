from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from journey_pipeline.errors import WarehouseError
from journey_pipeline.files import signature
from journey_pipeline.lake.manifest import EventsManifest
from journey_pipeline.model import EVENT_COLUMNS
from journey_pipeline.warehouse.connection import WarehouseSettings, wal_of, warehouse_file
from journey_pipeline.warehouse.equality import compare_with_lake
from journey_pipeline.warehouse.sync import rebuild, sync
from journey_pipeline_tests.warehouse.made_lake import (
    INSIDER,
    MIDNIGHT,
    SFMC,
    Event,
    MadeLake,
    assert_is_as_in_the_model,
    dump,
    events,
    held_events,
    rows_of,
    write_parquet,
)

pytestmark = pytest.mark.slow(reason="a warehouse is made in each test")

SMALL = WarehouseSettings(memory="500MB", threads=1, lock_wait_s=0)
EARLY, LATE = "20261101T060000Z-aa", "20261102T060000Z-aa"
BY_PARTITION = ("core.journey_events", "internal.files")
FIVE, SIX = "2026-11-01T05", "2026-11-01T06"


def counts(made: MadeLake) -> dict[str, tuple[int, int]]:
    rows = rows_of(warehouse_file(made.lake), "select partition_key, events, loaded from ops.partitions")
    return {partition: (held, loaded) for partition, held, loaded in rows}


def test_a_first_sync_loads_everything_and_a_second_one_finds_nothing_to_do(never_synced: MadeLake) -> None:
    never_synced.put(FIVE, events(range(3)))
    never_synced.put("2026-11-01", events(range(10, 14)), INSIDER)
    first = sync(never_synced.lake, SMALL)
    assert (first.added, first.rows_inserted, first.rows_deleted, first.days_touched) == (2, 7, 0, 1)
    assert_is_as_in_the_model(never_synced)
    second = sync(never_synced.lake, SMALL)
    assert (second.added, second.unchanged, second.rows_inserted, second.days_touched) == (0, 2, 0, 0)


def test_a_lake_without_any_events_gives_a_warehouse_without_any(made: MadeLake) -> None:
    report = sync(made.lake, SMALL)
    assert (report.added, report.rows_inserted) == (0, 0)
    assert held_events(made.lake) == {}


def test_a_partition_without_events_is_loaded_and_counted(made: MadeLake) -> None:
    made.put(FIVE, [])
    assert sync(made.lake, SMALL).added == 1
    assert counts(made) == {FIVE: (0, 0)}


def test_of_two_files_with_one_key_the_newer_attempt_wins_in_either_order(made: MadeLake) -> None:
    made.put(FIVE, events([1, 2], attempt=LATE))
    sync(made.lake, SMALL)
    made.put(SIX, events([2, 3], attempt=EARLY))
    sync(made.lake, SMALL)
    assert_is_as_in_the_model(made)
    assert counts(made) == {FIVE: (2, 2), SIX: (2, 1)}
    made.put(SIX, events([2, 3], attempt="20261103T060000Z-aa"))
    sync(made.lake, SMALL)
    assert_is_as_in_the_model(made)
    assert counts(made) == {FIVE: (2, 1), SIX: (2, 2)}


def test_one_key_at_two_times_in_two_files_is_one_event(made: MadeLake) -> None:
    made.put(FIVE, [Event(1, at=MIDNIGHT + timedelta(hours=5), attempt=EARLY)])
    sync(made.lake, SMALL)
    made.put("2026-11-30T05", [Event(1, at=MIDNIGHT + timedelta(days=29), attempt=LATE)])
    report = sync(made.lake, SMALL)
    assert (report.rows_inserted, report.rows_deleted) == (1, 1)
    assert_is_as_in_the_model(made)


def test_an_event_that_a_new_version_of_a_file_lacks_comes_back_from_the_file_that_still_has_it(
    made: MadeLake,
) -> None:
    made.put(FIVE, events([1, 2], attempt=EARLY))
    made.put(SIX, events([2, 3], attempt=LATE))
    sync(made.lake, SMALL)
    made.put(SIX, events([3], attempt=LATE))
    sync(made.lake, SMALL)
    assert_is_as_in_the_model(made)
    assert counts(made) == {FIVE: (2, 2), SIX: (1, 1)}


def test_a_removed_file_takes_only_those_events_with_it_that_no_other_file_has(made: MadeLake) -> None:
    made.put(FIVE, events([1, 2], attempt=EARLY))
    made.put(SIX, events([2, 3], attempt=LATE))
    sync(made.lake, SMALL)
    made.remove(SIX)
    report = sync(made.lake, SMALL)
    assert (report.removed, report.rows_deleted, report.rows_inserted) == (1, 2, 1)
    assert_is_as_in_the_model(made)


def test_three_generations_of_one_key_survive_the_loss_of_the_newest_two(made: MadeLake) -> None:
    made.put(FIVE, events([1], attempt="a1"))
    made.put(SIX, events([1], attempt="a2"))
    made.put("2026-11-01T07", events([1], attempt="a3"))
    sync(made.lake, SMALL)
    made.remove(SIX)
    made.put("2026-11-01T07", events([2], attempt="a3"))
    sync(made.lake, SMALL)
    assert_is_as_in_the_model(made)


def test_a_key_repeated_inside_one_file_is_loaded_once(made: MadeLake) -> None:
    made.put(FIVE, [Event(1, row=1, contact="C-1"), Event(1, row=2, contact="C-2")])
    sync(made.lake, SMALL)
    assert_is_as_in_the_model(made)


def test_a_restated_manifest_changes_what_is_said_of_a_partition_and_no_event(made: MadeLake) -> None:
    made.put(FIVE, events([1, 2]))
    sync(made.lake, SMALL)
    made.put(FIVE, events([1, 2]), rejects=2, withdrawn=1)
    report = sync(made.lake, SMALL)
    assert (report.unchanged, report.replaced, report.rows_inserted) == (1, 0, 0)
    ops = rows_of(warehouse_file(made.lake), "select landed, rejects, withdrawn, loaded from ops.partitions")
    assert ops == [(4, 2, 1, 2)]
    assert rows_of(warehouse_file(made.lake), "select count(*) from ops.rejects") == [(2,)]


def test_rejects_follow_their_partition(made: MadeLake) -> None:
    made.put(FIVE, events([1]), rejects=2)
    made.put(SIX, events([2]), rejects=1)
    sync(made.lake, SMALL)
    made.put(FIVE, events([1, 3]))
    sync(made.lake, SMALL)
    rejects = rows_of(
        warehouse_file(made.lake), "select connection, stream, partition_key, reason, raw, landing_row from ops.rejects"
    )
    assert rejects == [("sfmc", "journey_history", SIX, "unreadable time", "a;broken;0", 1)]


def test_a_partition_says_all_that_its_manifest_says(made: MadeLake) -> None:
    made.put(
        FIVE,
        events([1, 2]),
        rejects=1,
        estimate_rows=5,
        duplicates=3,
        conflicts=4,
        outside_window=6,
        unknown_codes={'activity_type=unknown:"7"': 5, "reason=*": 6},
        unaccounted=7,
        landing_bytes=700,
    )
    sync(made.lake, SMALL)
    file = warehouse_file(made.lake)
    assert rows_of(
        file,
        "select vendor, connection, stream, window_start, window_end, estimate, landed, rejects, duplicates, "
        "conflicts, outside_window, unknown_codes, unaccounted, attempts, landing_bytes, landed_at, first_at, "
        "package_version from ops.partitions",
    ) == [
        (
            *("sfmc", "sfmc", "journey_history"),
            *(MIDNIGHT + timedelta(hours=5), MIDNIGHT + timedelta(hours=6)),
            *(5, 3, 1, 3, 4, 6, 11, 7, 1, 700),
            *(MIDNIGHT + timedelta(hours=6), MIDNIGHT + timedelta(hours=5), "0.1.0"),
        )
    ]


def test_a_manifest_of_an_older_version_counts_nothing_where_it_has_no_count(made: MadeLake) -> None:
    made.put(FIVE, events([1, 2]))
    manifest = made.lake.events_manifest(SFMC, FIVE)
    said = json.loads(manifest.read_text())
    counted = ("duplicates", "withdrawn", "conflicts", "outside_window", "unknown_codes", "unaccounted", "rejects")
    optional = (*counted, "landing_bytes")
    manifest.write_text(json.dumps({name: value for name, value in said.items() if name not in optional}))
    sync(made.lake, SMALL)
    assert rows_of(warehouse_file(made.lake), f"select {', '.join(optional)} from ops.partitions") == [(0,) * 8]


def test_damaged_files_are_named_and_keep_what_was_loaded_of_them_while_all_else_is_synced(made: MadeLake) -> None:
    hours = [f"2026-11-01T{hour:02}" for hour in range(10, 14)]
    for number, hour in enumerate(hours):
        made.put(hour, events([10 * number + 1, 10 * number + 2]), rejects=1)
    sync(made.lake, SMALL)
    before = held_events(made.lake)
    for number, hour in enumerate(hours):
        made.put(hour, events([10 * number + 1, 10 * number + 5]), rejects=2)
    cut_off, other_bytes, missing = (made.lake.events_file(SFMC, hour) for hour in hours[:3])
    rejects_cut_off = made.lake.rejects_file(SFMC, hours[3])
    damaged = {file: file.read_bytes() for file in (cut_off, other_bytes, missing, rejects_cut_off)}
    for file in (cut_off, rejects_cut_off):
        file.write_bytes(damaged[file][:-30])
    other_bytes.write_bytes(damaged[other_bytes][:-9] + b"x" + damaged[other_bytes][-8:])
    missing.unlink()
    made.put(SIX, events([9]))
    report = sync(made.lake, SMALL)
    assert report.added == 1
    assert sorted(broken.path for broken in report.broken) == sorted(map(made.lake.relative, damaged))
    assert all("journey-pipeline normalize" in str(broken) for broken in report.broken)
    assert held_events(made.lake).keys() == before.keys() | {next(iter(held_events_of(made, SIX)))}
    for file, content in damaged.items():
        file.write_bytes(content)
    assert sync(made.lake, SMALL).replaced == 4
    assert_is_as_in_the_model(made)


def held_events_of(made: MadeLake, partition: str) -> dict[object, object]:
    return {key: row for key, row in held_events(made.lake).items() if row["partition_key"] == partition}


@pytest.mark.parametrize("text", ["", '{"format": 1, "vendor": "sf', "[]"])
def test_a_manifest_that_cannot_be_read_is_named_and_its_events_stay(made: MadeLake, text: str) -> None:
    made.put(FIVE, events([1, 2]))
    sync(made.lake, SMALL)
    made.lake.events_manifest(SFMC, FIVE).write_text(text)
    made.put(SIX, events([3]))
    report = sync(made.lake, SMALL)
    assert [broken.path for broken in report.broken] == [f"events/sfmc/journey_history/{FIVE}.json"]
    assert "journey-pipeline normalize" in report.broken[0].problem
    assert len(held_events(made.lake)) == 3


def test_a_manifest_in_another_partitions_place_is_not_believed(made: MadeLake) -> None:
    made.put(FIVE, events([1, 2]))
    for suffix in ("parquet", "json"):
        source = made.lake.events_root / f"sfmc/journey_history/{FIVE}.{suffix}"
        source.with_name(f"{SIX}.{suffix}").write_bytes(source.read_bytes())
    report = sync(made.lake, SMALL)
    assert (report.added, len(report.broken)) == (1, 1)
    assert_is_as_in_the_model(made)


def test_events_of_another_layout_or_partition_or_number_or_without_a_key_are_not_loaded(made: MadeLake) -> None:
    made.put(FIVE, events([1]))
    for partition, columns, said in ((SIX, EVENT_COLUMNS[:-1], 1), ("2026-11-01T07", EVENT_COLUMNS, 2)):
        manifest = made.put(partition, events([2]))
        file = made.lake.events_file(SFMC, partition)
        write_parquet(file, columns, [Event(2).columns(SFMC, partition)])
        content = file.read_bytes()
        stated = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content), "rows": said}
        restate(made, manifest, stated)
    stranger = Event(3).columns(SFMC, SIX)
    nameless = Event(4).columns(SFMC, "2026-11-01T09") | {"event_key": None}
    for partition, row in (("2026-11-01T08", stranger), ("2026-11-01T09", nameless)):
        manifest = made.put(partition, events([3]))
        file = made.lake.events_file(SFMC, partition)
        write_parquet(file, EVENT_COLUMNS, [row])
        content = file.read_bytes()
        restate(made, manifest, {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content), "rows": 1})
    report = sync(made.lake, SMALL)
    assert report.added == 1
    assert sorted(broken.path[-21:] for broken in report.broken) == [
        "2026-11-01T06.parquet",
        "2026-11-01T07.parquet",
        "2026-11-01T08.parquet",
        "2026-11-01T09.parquet",
    ]
    assert len(held_events(made.lake)) == 1


def restate(made: MadeLake, manifest: EventsManifest, stated: dict[str, object]) -> None:
    changed = json.loads(manifest.model_dump_json()) | {"events": stated}
    made.lake.events_manifest(SFMC, manifest.partition).write_text(json.dumps(changed))


def test_events_lost_to_a_broken_file_are_loaded_again_when_the_same_bytes_come_back(made: MadeLake) -> None:
    made.put(FIVE, events([1, 2], attempt=EARLY))
    made.put(SIX, events([2, 3], attempt=LATE))
    sync(made.lake, SMALL)
    file = made.lake.events_file(SFMC, FIVE)
    content = file.read_bytes()
    file.write_bytes(content[:-30])
    made.put(SIX, events([3], attempt=LATE))
    assert [broken.path for broken in sync(made.lake, SMALL).broken] == [made.lake.relative(file)]
    assert len(held_events(made.lake)) == 2
    file.write_bytes(content)
    assert sync(made.lake, SMALL).broken == ()
    assert_is_as_in_the_model(made)


def test_a_lake_that_is_not_mounted_empties_nothing(made: MadeLake) -> None:
    made.put(FIVE, events([1, 2]))
    sync(made.lake, SMALL)
    made.lake.events_root.rename(made.lake.home / "elsewhere")
    with pytest.raises(WarehouseError, match="Nothing was removed"):
        sync(made.lake, SMALL)
    assert len(held_events(made.lake)) == 2


def test_a_warehouse_of_another_layout_is_made_anew_and_the_report_says_so(made: MadeLake) -> None:
    made.put(FIVE, events([1, 2]))
    sync(made.lake, SMALL)
    with duckdb.connect(warehouse_file(made.lake)) as session:
        session.execute("update internal.state set layout = '0-old'; drop table core.journey_events")
    report = sync(made.lake, SMALL)
    assert "another version" in report.rebuilt
    assert_is_as_in_the_model(made)
    assert sync(made.lake, SMALL).rebuilt == ""


def test_a_table_whose_select_changed_is_made_again_and_one_without_a_select_goes(made: MadeLake) -> None:
    made.put(FIVE, events([1, 2]))
    sync(made.lake, SMALL)
    before = dump(made.lake)
    with duckdb.connect(warehouse_file(made.lake)) as session:
        changed = "'marts.journey_daily', 'internal.counts_by_day', 'core.journeys'"
        session.execute(f"update internal.tables set digest = 'x' where table_name in ({changed})")
        session.execute("update internal.counts_by_day set events = 99; update core.journeys set journey_name = 'X'")
        session.execute(
            "create table marts.given_up (a integer); insert into internal.tables values ('marts.given_up', 'x')"
        )
    report = sync(made.lake, SMALL)
    assert (report.rebuilt, report.rows_inserted) == ("", 0)
    assert dump(made.lake) == before


def test_a_file_that_can_not_be_opened_is_made_anew_by_a_sync_which_says_so(made: MadeLake) -> None:
    made.put(FIVE, events([1, 2]))
    sync(made.lake, SMALL)
    file = warehouse_file(made.lake)
    for kept in (0, 50, 4096, 5000, 12288):
        file.write_bytes(file.read_bytes()[:kept])
        assert "could not be opened" in sync(made.lake, SMALL).rebuilt, kept
        assert_is_as_in_the_model(made)


def test_a_file_that_is_no_database_is_healed_by_a_rebuild_too(made: MadeLake) -> None:
    made.put(FIVE, events([1, 2]))
    warehouse_file(made.lake).write_bytes(b"not a database" * 1000)
    rebuild(made.lake, SMALL)
    assert_is_as_in_the_model(made)


def test_a_warehouse_that_another_program_has_open_is_left_alone(made: MadeLake) -> None:
    made.put(FIVE, events([1, 2]))
    sync(made.lake, SMALL)
    file = warehouse_file(made.lake)
    script = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.readline()"
    command = [sys.executable, "-c", script, str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        assert other.stdout.readline() == "open\n"
        was = file.read_bytes()
        with pytest.raises(WarehouseError, match=r"another program has warehouse\.duckdb open"):
            sync(made.lake, SMALL)
        assert file.read_bytes() == was
        other.communicate("\n")
    assert sync(made.lake, SMALL).rebuilt == ""


def test_a_rebuild_never_plays_the_old_files_log_into_the_new_one(made: MadeLake) -> None:
    made.put(FIVE, events([1, 2]))
    sync(made.lake, SMALL)
    script = (
        "import duckdb, os, sys\n"
        "session = duckdb.connect(sys.argv[1])\n"
        "session.execute(\"set wal_autocheckpoint = '1GB'\")\n"
        "session.execute('delete from core.journey_events')\n"
        "os._exit(9)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(warehouse_file(made.lake))], check=False)
    assert wal_of(warehouse_file(made.lake)).exists()
    rebuild(made.lake, SMALL)
    assert not wal_of(warehouse_file(made.lake)).exists()
    assert_is_as_in_the_model(made)


def test_paths_with_quotes_and_wildcards_are_only_paths(tmp_path: Path) -> None:
    made = MadeLake(tmp_path / "o'brien [x] a=b *")
    made.put(FIVE, events([1, 2]), rejects=1)
    made.put(SIX, events([2, 3], attempt=LATE))
    sync(made.lake, SMALL)
    made.put(SIX, events([3], attempt=LATE))
    sync(made.lake, SMALL)
    assert_is_as_in_the_model(made)
    assert compare_with_lake(made.lake, SMALL).problems == []


def test_a_sync_while_files_are_replaced_all_the_time_ends_equal_to_the_lake(made: MadeLake) -> None:
    rounds = 40
    script = (
        "import sys, os, itertools\n"
        "from pathlib import Path\n"
        "folder = Path(sys.argv[1])\n"
        "for name in itertools.islice(itertools.cycle(['a', 'b']), int(sys.argv[2])):\n"
        "    for suffix in ('parquet', 'json'):\n"
        "        copy = folder / f'.copy.{suffix}.tmp'\n"
        "        copy.write_bytes((folder / f'{name}.{suffix}.kept').read_bytes())\n"
        f"        copy.replace(folder / f'{FIVE}.{{suffix}}')\n"
    )
    folder = made.lake.events_file(SFMC, FIVE).parent
    for name, keys in (("a", range(50)), ("b", range(30, 90))):
        made.put(FIVE, events(keys))
        for suffix in ("parquet", "json"):
            (folder / f"{name}.{suffix}.kept").write_bytes((folder / f"{FIVE}.{suffix}").read_bytes())
    replacing = subprocess.Popen([sys.executable, "-c", script, str(folder), str(rounds * 10)], env=dict(os.environ))
    while replacing.poll() is None:
        sync(made.lake, SMALL)
    assert replacing.returncode == 0
    assert sync(made.lake, SMALL).broken == ()
    assert_is_as_in_the_model(made)


def test_a_manifest_is_read_once_and_again_only_when_its_file_is_another(made: MadeLake) -> None:
    made.put(FIVE, events([1]))
    manifest = made.lake.events_manifest(SFMC, FIVE)
    written = long_ago(manifest)
    assert sync(made.lake, SMALL).added == 1
    text = manifest.read_bytes()
    manifest.write_bytes(b"x" * len(text))
    long_ago(manifest)
    assert (sync(made.lake, SMALL).unchanged, compare_with_lake(made.lake, SMALL).is_equal) == (1, True)
    os.utime(manifest, ns=(written, written + 1))
    assert sync(made.lake, SMALL).broken
    manifest.write_bytes(text)
    assert sync(made.lake, SMALL).unchanged == 1


@pytest.mark.parametrize("hours", [2, 40])
def test_a_sync_with_one_new_hour_reads_and_writes_nothing_of_the_others_however_many_they_are(
    made: MadeLake, hours: int
) -> None:
    earlier = [f"2026-11-{1 + n // 20:02}T{n % 20:02}" for n in range(hours)]
    for number, partition in enumerate(earlier):
        made.put(partition, events([number], attempt="a1"))
        long_ago(made.lake.events_manifest(SFMC, partition))
    sync(made.lake, SMALL)
    assert compare_with_lake(made.lake, SMALL).is_equal
    for file in made.lake.events_root.rglob("*.*"):
        stat = file.stat()
        file.write_bytes(b"x" * stat.st_size)
        os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    before = places_of_rows(made)
    made.put("2026-11-09T05", events([hours], attempt="a1"))
    report = sync(made.lake, SMALL)
    assert (report.added, report.unchanged, report.days_touched, report.broken) == (1, hours, 1, ())
    after = places_of_rows(made)
    assert before <= after
    assert sorted((table, partition) for table, partition, _ in after - before) == [
        (table, "2026-11-09T05") for table in BY_PARTITION
    ]
    assert compare_with_lake(made.lake, SMALL).is_equal


def test_a_covered_day_follows_whichever_file_covers_it_now(made: MadeLake) -> None:
    first, second, third = "2026-11-01", "2026-11-02", "2026-11-03"
    early, late = MIDNIGHT + timedelta(days=5), MIDNIGHT + timedelta(days=6)

    def put(partition: str, *covers: str, landed_at: datetime = early) -> None:
        made.put(partition, events([1]), INSIDER, covers=covers, landed_at=landed_at)

    steps: list[tuple[Callable[[], object], dict[str, str | None]]] = [
        (lambda: put(first, second, third), {first: None, second: first, third: first}),
        (lambda: put(second, third, landed_at=late), {first: None, second: None, third: second}),
        (lambda: put(first, third, landed_at=late + timedelta(days=1)), {first: None, second: None, third: first}),
        (lambda: put(first, landed_at=late), {first: None, second: None, third: second}),
        (lambda: made.remove(second, INSIDER), {first: None}),
        (lambda: put(first, third), {first: None, third: first}),
        (lambda: put(third), {first: None, third: None}),
        (lambda: made.remove(third, INSIDER), {first: None, third: first}),
    ]
    for change, expected in steps:
        change()
        sync(made.lake, SMALL)
        rows = rows_of(warehouse_file(made.lake), "select partition_key, covered_by from ops.partitions")
        assert sorted(rows) == sorted(expected.items())
    synced = dump(made.lake)
    rebuild(made.lake, SMALL)
    assert dump(made.lake) == synced


def test_a_manifest_that_was_only_just_written_is_read_again(made: MadeLake) -> None:
    made.put(FIVE, events([1]))
    manifest = made.lake.events_manifest(SFMC, FIVE)
    later = time.time_ns() + 3_600_000_000_000  # as if it were written while it is looked at
    os.utime(manifest, ns=(later, later))
    sync(made.lake, SMALL)
    manifest.write_bytes(b"x" * manifest.stat().st_size)
    os.utime(manifest, ns=(later, later))
    assert sync(made.lake, SMALL).broken


def test_a_copied_lake_is_read_through_once(made: MadeLake) -> None:
    made.put(FIVE, events([1]))
    manifest = made.lake.events_manifest(SFMC, FIVE)
    sync(made.lake, SMALL)
    long_ago(manifest)
    assert (sync(made.lake, SMALL).unchanged, signatures(made)) == (1, [signature(manifest)])
    revision = rows_of(warehouse_file(made.lake), "select revision from internal.state")
    assert sync(made.lake, SMALL).unchanged == 1
    assert rows_of(warehouse_file(made.lake), "select revision from internal.state") == revision


def places_of_rows(made: MadeLake) -> set[tuple[str, str, int]]:
    """Where each row lies: one that is written again lies elsewhere."""
    tables = (f"select '{table}', partition_key, rowid from {table}" for table in BY_PARTITION)
    return {
        (table, partition, place)
        for table, partition, place in rows_of(warehouse_file(made.lake), " union ".join(tables))
    }


def long_ago(file: Path) -> int:
    """Gives a file a time at which it can't have been written just now."""
    written = 1_700_000_000_000_000_000
    os.utime(file, ns=(written, written))
    return written


def signatures(made: MadeLake) -> list[tuple[int, ...]]:
    rows = rows_of(warehouse_file(made.lake), "select manifest_signature from internal.files")
    return [tuple(map(int, text.split("-"))) for (text,) in rows]
