"""A writer that is killed leaves the old state or the new one.

`make crash N=...` kills at more steps than `make test` does. Not here: random kills of random changes
(`property/test_warehouse_equals_union.py`).
"""

from __future__ import annotations

import os

import pytest

from journey_pipeline.warehouse.connection import WarehouseSettings, published_file, warehouse_file
from journey_pipeline.warehouse.equality import compare_with_lake
from journey_pipeline.warehouse.publish import look_at_files, publish
from journey_pipeline.warehouse.sync import rebuild, sync
from journey_pipeline_tests.warehouse.crashing import CrashServer
from journey_pipeline_tests.warehouse.made_lake import (
    MadeLake,
    assert_is_as_in_the_model,
    dump,
    events,
    rows_of,
)

pytestmark = pytest.mark.slow(reason="a writer is killed at each of its steps")

SMALL = WarehouseSettings(memory="500MB", threads=1, lock_wait_s=10)
FIVE, SIX = "2026-11-01T05", "2026-11-01T06"
COUNT = "select count(*) from core.journey_events"
STEP_GROWS = 0.5 if os.environ.get("CRASH_SEEDS") else 2.0  # from one kill to the next, by its own size


def put_generation(made: MadeLake, number: int) -> None:
    """Changes two overlapping partitions, so that a sync adds, replaces and removes rows."""
    made.put(FIVE, events(range(number, number + 6), attempt=f"a{number}"), rejects=number % 3)
    made.put(SIX, events(range(number + 3, number + 9), attempt=f"b{number}"))
    made.put_dimension("journeys", [{"journey_id": "J-1", "journey_name": f"Name {number}"}])


def assert_is_old_or_new(made: MadeLake, old: dict[str, list[tuple[object, ...]]]) -> None:
    if dump(made.lake) != old:
        assert_is_as_in_the_model(made)
        assert compare_with_lake(made.lake, SMALL).problems == []


def test_a_writer_killed_at_any_step_leaves_the_old_state_or_the_new_one(
    made: MadeLake, crash_server: CrashServer
) -> None:
    put_generation(made, 0)
    sync(made.lake, SMALL)
    publish(made.lake, SMALL)
    generation, crash_at, was_killed = 0, 1, True
    while was_killed:
        generation += 1
        put_generation(made, generation)
        old = dump(made.lake)
        was_killed = crash_server.run(made.lake, "rebuild", crash_at)
        assert_is_old_or_new(made, old)
        was_killed |= crash_server.run(made.lake, "sync", crash_at)
        assert_is_old_or_new(made, old)
        sync(made.lake, SMALL)
        assert list(made.lake.home.glob("warehouse.rebuilding*")) == []
        was_killed |= crash_server.run(made.lake, "publish", crash_at)
        assert rows_of(published_file(made.lake), COUNT) == [(9,)]
        publish(made.lake, SMALL)
        assert_is_as_in_the_model(made)
        crash_at += 1 + int(crash_at * STEP_GROWS)
    assert generation > 5
    synced = dump(made.lake)
    rebuild(made.lake, SMALL)
    assert dump(made.lake) == synced
    assert list(made.lake.home.glob("*.tmp")) + list(made.lake.home.glob(".*.tmp")) == []


def test_a_writer_killed_in_the_middle_of_anything_leaves_the_old_state_or_the_new_one(
    made: MadeLake, crash_server: CrashServer
) -> None:
    put_generation(made, 0)
    sync(made.lake, SMALL)
    publish(made.lake, SMALL)
    killed = 0
    for generation in range(1, 31, 4):
        put_generation(made, generation)
        old = dump(made.lake)
        do = ("sync", "rebuild", "publish")[generation % 3]
        killed += crash_server.run(made.lake, do, kill_after_s=0.004 * generation)
        assert_is_old_or_new(made, old)
        assert rows_of(published_file(made.lake), COUNT) == [(9,)]
    assert killed
    sync(made.lake, SMALL)
    assert publish(made.lake, SMALL).published
    assert_is_as_in_the_model(made)


def test_a_first_sync_killed_while_the_file_is_young_is_made_again_by_the_next_one(
    never_synced: MadeLake, crash_server: CrashServer
) -> None:
    put_generation(never_synced, 0)
    killed = 0
    for attempt in range(15):
        for left in never_synced.lake.home.glob("warehouse*"):
            left.unlink()
        killed += crash_server.run(never_synced.lake, "sync", kill_after_s=0.005 + 0.004 * attempt)
        if attempt % 5 == 4:
            sync(never_synced.lake, SMALL)
            assert_is_as_in_the_model(never_synced)
        elif warehouse_file(never_synced.lake).exists():
            assert look_at_files(never_synced.lake)
    assert killed
