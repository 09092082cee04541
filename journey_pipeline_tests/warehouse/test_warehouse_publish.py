from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from journey_pipeline.errors import ConfigError, WarehouseError
from journey_pipeline.warehouse.connection import WarehouseSettings, published_file, wal_of, warehouse_file
from journey_pipeline.warehouse.publish import copy_file, publish
from journey_pipeline.warehouse.questions import query
from journey_pipeline.warehouse.sync import rebuild, sync
from journey_pipeline_tests.warehouse.made_lake import MadeLake, events

pytestmark = pytest.mark.slow(reason="a warehouse is made and published in each test")

SMALL = WarehouseSettings(memory="500MB", threads=1, lock_wait_s=0)
FIVE, SIX = "2026-11-01T05", "2026-11-01T06"
COUNT = "select count(*) from core.journey_events"

# Opens the file once and keeps it, then answers every line with what it reads: by the old opening and by a new one.
READER = """
import json, sys, duckdb
kept = duckdb.connect(sys.argv[1], read_only=True)
for line in sys.stdin:
    old = kept.execute("select count(*) from core.journey_events").fetchall()[0][0]
    if line.strip() == "again":
        kept.close()
        kept = duckdb.connect(sys.argv[1], read_only=True)
    new = kept.execute("select count(*) from core.journey_events").fetchall()[0][0]
    print(json.dumps([old, new]), flush=True)
"""


def ask(reader: subprocess.Popen[str], word: str) -> list[int]:
    assert reader.stdin
    assert reader.stdout
    reader.stdin.write(word + "\n")
    reader.stdin.flush()
    return list(json.loads(reader.stdout.readline()))


def published_rows(made: MadeLake, sql: str) -> list[object]:
    return [row for batch in query(made.lake, sql).batches for row in batch]


def test_a_published_file_opens_read_only_by_itself(made: MadeLake, tmp_path: Path) -> None:
    made.put(FIVE, events(range(3)))
    sync(made.lake, SMALL)
    report = publish(made.lake, SMALL)
    file = published_file(made.lake)
    assert (report.published, report.bytes) == (True, file.stat().st_size)
    assert not wal_of(file).exists()
    alone = tmp_path / "alone" / "journeys.duckdb"
    alone.parent.mkdir()
    alone.write_bytes(file.read_bytes())
    with duckdb.connect(alone, read_only=True) as session:
        assert session.execute(COUNT).fetchall() == [(3,)]


def test_nothing_is_published_twice_and_every_change_is(made: MadeLake) -> None:
    made.put(FIVE, events(range(3)))
    sync(made.lake, SMALL)
    assert publish(made.lake, SMALL).published
    sync(made.lake, SMALL)
    assert not publish(made.lake, SMALL).published
    made.put(FIVE, events(range(3)), withdrawn=1)
    sync(made.lake, SMALL)
    assert publish(made.lake, SMALL).published
    rebuild(made.lake, SMALL)
    assert publish(made.lake, SMALL).published


def test_a_published_file_that_was_damaged_is_replaced(made: MadeLake) -> None:
    made.put(FIVE, events(range(3)))
    sync(made.lake, SMALL)
    publish(made.lake, SMALL)
    published_file(made.lake).write_bytes(b"x" * 5000)
    assert publish(made.lake, SMALL).published
    assert published_rows(made, COUNT) == [(3,)]


def test_publishing_before_the_first_sync_says_what_to_do(never_synced: MadeLake) -> None:
    with pytest.raises(WarehouseError, match="journey-pipeline sync"):
        publish(never_synced.lake, SMALL)
    assert not published_file(never_synced.lake).exists()


def test_a_reader_of_another_process_keeps_its_file_and_a_new_opening_sees_the_new_one(made: MadeLake) -> None:
    made.put(FIVE, events(range(3)))
    sync(made.lake, SMALL)
    publish(made.lake, SMALL)
    command = [sys.executable, "-c", READER, str(published_file(made.lake))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader:
        assert ask(reader, "") == [3, 3]
        for more in range(1, 4):
            made.put(SIX, events(range(10, 10 + more)))
            sync(made.lake, SMALL)
            assert publish(made.lake, SMALL).published
            assert ask(reader, "") == [2 + more, 2 + more]
            assert ask(reader, "again") == [2 + more, 3 + more]
        reader.communicate()
    assert reader.returncode == 0


def test_a_query_that_is_being_read_goes_on_over_a_publish_and_the_next_one_sees_the_new_file(made: MadeLake) -> None:
    made.put(FIVE, events(range(3)))
    sync(made.lake, SMALL)
    publish(made.lake, SMALL)
    running = query(made.lake, f"{COUNT} union all select i from range(100000) as many(i)")
    first = next(running.batches)
    made.put(SIX, events(range(10, 15)))
    sync(made.lake, SMALL)
    assert publish(made.lake, SMALL).published
    assert published_rows(made, COUNT) == [(8,)]
    assert (3,) in first + [row for batch in running.batches for row in batch]


def test_a_query_gives_columns_and_batches(made: MadeLake) -> None:
    made.put(FIVE, events(range(3)))
    sync(made.lake, SMALL)
    publish(made.lake, SMALL)
    result = query(made.lake, "select i, i + 1 as j from range(25000) as many(i)")
    assert result.columns == ("i", "j")
    batches = list(result.batches)
    assert [len(batch) for batch in batches] == [10_000, 10_000, 5_000]
    assert batches[0][0] == (0, 1)


def test_times_of_a_query_are_utc(made: MadeLake) -> None:
    made.put(FIVE, events([1]))
    sync(made.lake, SMALL)
    publish(made.lake, SMALL)
    assert published_rows(made, "select occurred_at::varchar from core.journey_events") == [("2026-11-01 05:00:00+00",)]


def test_a_query_before_the_first_publish_says_what_to_do(never_synced: MadeLake) -> None:
    with pytest.raises(ConfigError, match="nothing is published yet"):
        query(never_synced.lake, COUNT)


@pytest.mark.parametrize(
    "sql",
    ["selekt 1", "select a from core.nothing", "select nothing from core.journey_events", "drop table ops.rejects"],
)
def test_wrong_sql_is_refused_in_one_line(made: MadeLake, sql: str) -> None:
    sync(made.lake, SMALL)
    publish(made.lake, SMALL)
    with pytest.raises(WarehouseError) as refused:
        list(query(made.lake, sql).batches)
    assert "\n" not in str(refused.value)
    assert "refused" in str(refused.value)


def test_a_refused_value_is_not_quoted(made: MadeLake) -> None:
    made.put(FIVE, events([1], contact="someone@example.org"))
    sync(made.lake, SMALL)
    publish(made.lake, SMALL)
    with pytest.raises(WarehouseError) as refused:
        list(query(made.lake, "select contact_id::integer from core.journey_events").batches)
    assert "someone" not in str(refused.value)


def test_a_copy_is_the_same_bytes(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    for size in (0, 1, 3_000_001):
        source.write_bytes(bytes(range(256)) * (size // 256) + b"z" * (size % 256))
        copy_file(source, target)
        assert target.read_bytes() == source.read_bytes()
    assert not warehouse_file(MadeLake(tmp_path).lake).exists()


def test_a_warehouse_whose_first_sync_was_killed_is_not_published(never_synced: MadeLake) -> None:
    never_synced.lake.home.mkdir()
    duckdb.connect(warehouse_file(never_synced.lake)).close()
    with pytest.raises(WarehouseError, match="no warehouse to publish yet"):
        publish(never_synced.lake, SMALL)


def test_the_published_file_states_the_oldest_client_that_can_read_it(made: MadeLake) -> None:
    made.put(FIVE, events(range(3)))
    sync(made.lake, SMALL)
    publish(made.lake, SMALL)
    made.put(SIX, events(range(10, 15)))
    sync(made.lake, SMALL)
    publish(made.lake, SMALL)
    with duckdb.connect(":memory:") as session:
        session.execute(f"attach '{published_file(made.lake)}' as published (read_only)")
        (tags,) = session.execute("select tags from duckdb_databases() where database_name = 'published'").fetchall()
    assert tags[0]["storage_version"] == "v1.2.0+"


def test_another_storage_version_makes_the_warehouse_anew(made: MadeLake, monkeypatch: pytest.MonkeyPatch) -> None:
    made.put(FIVE, events(range(3)))
    sync(made.lake, SMALL)
    monkeypatch.setenv("JOURNEY_PIPELINE_STORAGE_VERSION", "v1.4.0")
    assert sync(made.lake, SMALL).rebuilt
    assert sync(made.lake, SMALL).rebuilt == ""
    assert publish(made.lake, SMALL).published
