"""What must be true of a home after any number of crashes, once a backfill has run to its end.

Not here: the crashes (`kills.py`), the backfills (`backfills.py`).
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from journey_pipeline.lake.manifest import EventsManifest, LandingManifest
from journey_pipeline.lake.sweep import sweep
from journey_pipeline.model import Window, iso
from journey_pipeline.warehouse.equality import compare_with_lake
from journey_pipeline_tests.crash.backfills import HISTORY, Backfills
from journey_pipeline_tests.integration.truth import ask, truth, warehouse_rows

FINISHED = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}


def prove(backfills: Backfills, there: list[Window]) -> None:
    """Checks everything that can be checked.

    Args:
        backfills: What was run, to its end.
        there: The hours that must be there; all others of the span must not be.
    """
    the_warehouse_equals_the_world(backfills, there)
    every_manifest_tells_the_truth(backfills.home)
    dagster_has_finished(backfills.home, there)
    status_agrees(backfills, there)
    nothing_is_left_to_ask(backfills, there)
    leftovers_never_counted(backfills, there)


def the_warehouse_equals_the_world(backfills: Backfills, there: list[Window]) -> None:
    assert warehouse_rows(backfills.home) == truth(backfills.sandbox, there)
    figures = ask(backfills.home, "select partition_key, landed, events, rejects, duplicates from ops.partitions")
    sandbox = backfills.sandbox
    counts = {hour.partition: sandbox.sfmc.count(hour, visible_at=sandbox.clock.now()) for hour in there}
    assert {row[0]: row[2] for row in figures} == counts
    assert all(landed == sum(rest) for _, landed, *rest in figures)
    assert compare_with_lake(backfills.lake).problems == []


def every_manifest_tells_the_truth(home: Path) -> None:
    for path in (home / "raw").glob("*/*/*/manifest.json"):
        manifest = LandingManifest.read(path)
        assert manifest is not None
        for attempt in manifest.attempts:
            for file in attempt.files:
                content = (path.parent / attempt.attempt / file.name).read_bytes()
                assert (len(content), hashlib.sha256(content).hexdigest()) == (file.bytes, file.sha256)


def dagster_has_finished(home: Path, there: list[Window]) -> None:
    with dg.DagsterInstance.from_config(str(home / "dagster")) as instance:
        assert {run.status for run in instance.get_runs()} <= FINISHED
        for pool in instance.event_log_storage.get_concurrency_keys():
            slots = instance.event_log_storage.get_concurrency_info(pool)
            assert (slots.active_slot_count, slots.pending_step_count) == (0, 0), pool
        known = instance.get_materialized_partitions(dg.AssetKey(["events", "sfmc", "journey_history"]))
        assert known == {hour.start.strftime("%Y-%m-%d-%H:%M") for hour in there}


def status_agrees(backfills: Backfills, there: list[Window]) -> None:
    said = backfills.status()
    lost = [hour for hour in backfills.hours if there and hour not in there and hour > there[0]]
    assert (said["complete"], said["not_normalized"], said["expired"]) == (len(there), 0, len(lost))
    if there:
        assert (said["first"], said["last"]) == (iso(there[0].start), iso(there[-1].end))


def nothing_is_left_to_ask(backfills: Backfills, there: list[Window]) -> None:
    before = warehouse_rows(backfills.home)
    backfills.sandbox.calls.clear()
    assert backfills.run().code == (0 if there == backfills.hours else 1)
    assert backfills.sandbox.calls.count("download") == backfills.sandbox.calls.count("estimate") == 0
    assert warehouse_rows(backfills.home) == before


def leftovers_never_counted(backfills: Backfills, there: list[Window]) -> None:
    """What crashes left is swept, and everything that counts is still there."""
    # A file came here by the disk's clock, which is the machine's.
    sweep(backfills.lake, HISTORY.vendor, HISTORY.connection, max(backfills.now(), datetime.now(UTC)))
    every_manifest_tells_the_truth(backfills.home)
    landed = backfills.landed()
    assert set(landed) == {hour.partition for hour in there}
    for partition, manifest in landed.items():
        named = {attempt.attempt for attempt in manifest.attempts}
        folder = backfills.lake.landing_dir(HISTORY, partition)
        assert {path.name for path in folder.iterdir() if path.is_dir()} == named
        events = EventsManifest.read(backfills.lake.events_manifest(HISTORY, partition))
        assert events is not None
        assert set(events.attempts) <= named
    assert compare_with_lake(backfills.lake).problems == []
