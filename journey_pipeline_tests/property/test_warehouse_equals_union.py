"""Whatever happens to the lake, and wherever a writer is killed: sync, rebuild and plain Python agree."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from journey_pipeline.warehouse.connection import WarehouseSettings, published_file
from journey_pipeline.warehouse.equality import compare_with_lake
from journey_pipeline.warehouse.publish import publish
from journey_pipeline.warehouse.sync import rebuild, sync
from journey_pipeline_tests.examples import examples
from journey_pipeline_tests.warehouse.crashing import CrashServer
from journey_pipeline_tests.warehouse.made_attributes import (
    Export,
    MadeExports,
    Told,
    held_history,
    history,
    put_attributes,
)
from journey_pipeline_tests.warehouse.made_lake import (
    INSIDER,
    MIDNIGHT,
    SFMC,
    Event,
    assert_is_as_in_the_model,
    dump,
    rows_of,
)

pytestmark = pytest.mark.slow(reason="a warehouse is made of each example, and its writers are killed")

SMALL = WarehouseSettings(memory="500MB", threads=1, batch_rows=4, remove=True)
PLACES = [
    (SFMC, "2026-11-01T05"),
    (SFMC, "2026-11-01T06"),
    (SFMC, "2026-11-02T05"),
    (INSIDER, "2026-11-01"),
    (INSIDER, "2026-11-02"),
]
Step = tuple[Any, ...]
ATTEMPTS = ["20261101T060000Z-aa", "20261101T060000Z-bb", "20261103T000000Z-cc"]


@pytest.fixture(scope="module")
def crash_server() -> Iterator[CrashServer]:
    with CrashServer() as server:
        yield server


@st.composite
def rows(draw: st.DrawFn) -> list[Event]:
    keys = draw(st.lists(st.integers(0, 5), unique=True, max_size=5))
    return [
        Event(
            key,
            at=MIDNIGHT + timedelta(hours=draw(st.sampled_from([0, 5, 23, 26, 49, 200]))),
            attempt=draw(st.sampled_from(ATTEMPTS)),
            part=draw(st.integers(0, 1)),
            row=number,
            contact=draw(st.sampled_from(["C-1", "C-2"])),
            journey=draw(st.sampled_from([None, "J-1", "J-2"])),
            journey_name=draw(st.sampled_from([None, "Welcome", "Winback"])),
            is_test=draw(st.sampled_from([False, False, True, None])),
            email=draw(st.sampled_from([None, "a@x.example", "b@x.example"])),
            received=draw(st.sampled_from([None, *(MIDNIGHT + timedelta(hours=hours) for hours in (6, 7, 40, 250))])),
        )
        for number, key in enumerate(keys, 1)
    ]


TOLD = st.builds(
    Told,
    profile=st.sampled_from(["P-1", "P-2"]),
    attribute=st.sampled_from(["1", "2"]),
    value=st.sampled_from([None, "true", "red"]),
    is_tag=st.sampled_from([None, None, True, False]),
    section=st.sampled_from(["S-1", "S-1", "S-2", None]),
    # The model knows no names: two ids of one name are versions of one attribute (test_warehouse_attributes.py).
    discriminator=st.none(),
)
EXPORTS = st.tuples(
    st.lists(TOLD, max_size=5, unique_by=lambda told: (told.section, told.profile, told.attribute)),
    st.sampled_from([MIDNIGHT + timedelta(days=days) for days in (1, 2, 3, 5, 9)]),
)
COVERS = st.lists(st.sampled_from(["2026-11-02", "2026-11-03", "2026-11-04"]), unique=True)
PUT = st.tuples(st.just("put"), st.sampled_from(PLACES), rows(), st.integers(0, 2), EXPORTS, COVERS)
CHANGES = st.one_of(
    PUT,
    PUT,
    st.tuples(st.just("remove"), st.sampled_from(PLACES)),
    st.tuples(st.just("list"), st.lists(st.sampled_from(["J-1", "J-2", "J-3"]), unique=True), st.integers(0, 2)),
)
WRITES = st.one_of(
    st.tuples(st.just("sync"), st.none() | st.integers(1, 300)),
    st.tuples(st.just("sync"), st.none()),
    st.tuples(st.just("rebuild"), st.integers(1, 300)),
    st.tuples(st.just("publish"), st.none() | st.integers(1, 60)),
)
ROUNDS = st.lists(st.tuples(st.lists(CHANGES, min_size=1, max_size=4), WRITES), max_size=3)
START = st.tuples(*(st.tuples(rows(), EXPORTS) for _ in PLACES))
END = st.lists(CHANGES, min_size=1, max_size=3)


def take(step: Step, made: MadeExports, server: CrashServer) -> None:
    match step:
        case ("put", (stream, partition), found, rejects, (told, landed_at), covers):
            stated = put_attributes(made.lake, stream, partition, told)
            later = tuple(covered for covered in covers if stream is INSIDER and covered > partition)
            made.put(partition, found, stream, rejects=rejects, attributes=stated, landed_at=landed_at, covers=later)
            made.exports[stream, partition] = Export(landed_at, stream, partition, tuple(told))
        case ("remove", (stream, partition)) if (stream, partition) in made.files:
            made.remove(partition, stream)
            del made.exports[stream, partition]
        case ("list", journeys, version):
            listed = [
                {"journey_id": journey, "journey_name": f"Listed {version}", "version": 1} for journey in journeys
            ]
            made.put_dimension("journeys", listed)
        case ("sync" | "rebuild" | "publish" as do, crash_at):
            event(f"{do} killed: {server.run(made.lake, do, crash_at)}")


# Shrinking would take longer than reading a failure's steps.
@settings(
    max_examples=examples(3),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(start=START, rounds=ROUNDS, end=END)
def test_the_warehouse_is_the_deduplicated_union_whatever_happened(
    start: tuple[tuple[list[Event], Any], ...],
    rounds: list[tuple[list[Step], Step]],
    end: list[Step],
    crash_server: CrashServer,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = MadeExports(Path(folder))
        for place, (found, told) in zip(PLACES, start, strict=True):
            take(("put", place, found, 0, told, []), made, crash_server)
        sync(made.lake, SMALL)
        for changes, write in rounds:
            for step in [*changes, write]:
                take(step, made, crash_server)
        for step in end:
            take(step, made, crash_server)
        report = sync(made.lake, SMALL)
        assert not report.broken
        synced = dump(made.lake)
        assert_is_as_in_the_model(made)
        for connection in ("sfmc", "insider"):
            exports = [export for (stream, _), export in made.exports.items() if stream.connection == connection]
            assert held_history(made.lake, connection) == history(exports)
        assert compare_with_lake(made.lake, SMALL).problems == []
        publish(made.lake, SMALL)
        published = rows_of(published_file(made.lake), "from core.journey_events")
        assert sorted(published, key=repr) == synced["core.journey_events"]
        rebuild(made.lake, SMALL)
        assert dump(made.lake) == synced
