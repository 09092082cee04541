"""In whatever order two streams that tell of the same things arrive, change and go: each thing counts once."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, event, given, settings
from hypothesis import strategies as st

from journey_pipeline.warehouse.connection import WarehouseSettings
from journey_pipeline.warehouse.equality import compare_with_lake
from journey_pipeline.warehouse.sync import rebuild, sync
from journey_pipeline_tests.examples import examples
from journey_pipeline_tests.warehouse.made_lake import MIDNIGHT, SFMC, Event, dump
from journey_pipeline_tests.warehouse.made_twins import (
    EMAILS,
    PROFILES,
    TWIN,
    Told,
    TwinLake,
    assert_twins_are_as_in_the_model,
)

pytestmark = pytest.mark.slow(reason="a warehouse is made of each example")

SMALL = WarehouseSettings(memory="500MB", threads=1, batch_rows=4, remove=True)
PLACES = [
    (PROFILES, "2026-11-01"),
    (PROFILES, "2026-11-02"),
    (EMAILS, "2026-11-01"),
    (EMAILS, "2026-11-02"),
    (SFMC, "2026-11-01T05"),
]
# Mostly the manifests agree; after an upgrade some name another twin, or still none.
TWINS = st.sampled_from(
    [TWIN] * 9
    + [None, replace(TWIN, property="other_id"), replace(TWIN, stream="absent_events"), replace(TWIN, channel="sms")]
)
ATTEMPTS = ["20261101T060000Z-aa", "20261103T000000Z-cc"]


@st.composite
def rows(draw: st.DrawFn) -> list[Event]:
    keys = draw(st.lists(st.integers(0, 7), unique=True, min_size=2, max_size=6))
    return [
        Told(
            key,
            at=MIDNIGHT + timedelta(hours=draw(st.sampled_from([5, 5, 6, 26, 49]))),
            attempt=draw(st.sampled_from(ATTEMPTS)),
            row=number,
            contact=draw(st.sampled_from(["C-1", "C-2"])),
            activity=draw(st.sampled_from(["A-1", "A-1", None])),
            journey=draw(st.sampled_from(["J-1", "J-2", None])),
            enrolment=draw(st.sampled_from(["P-1", None])),
            action=draw(st.sampled_from(["send", "send", "send", "open"])),
            is_test=draw(st.sampled_from([False, False, False, True, None])),
            channel=draw(st.sampled_from(["email", "email", "email", "email", "sms"])),
            correlation=draw(st.sampled_from(["c-1", "c-1", "c-2", "c-2", "", None])),
        )
        for number, key in enumerate(keys, 1)
    ]


PUTS = st.tuples(st.sampled_from(PLACES), rows(), TWINS)
CHANGES = st.one_of(PUTS, PUTS, PUTS, st.tuples(st.sampled_from(PLACES)))
START = st.tuples(*(rows() for _ in PLACES))
ROUNDS = st.lists(st.lists(CHANGES, min_size=1, max_size=3), min_size=1, max_size=3)


def take(step: tuple[Any, ...], made: TwinLake) -> None:
    match step:
        case ((stream, partition), found, twin):
            made.put(partition, found, stream, twin=twin if stream == PROFILES else None)
        case ((stream, partition),) if (stream, partition) in made.files:
            made.remove(partition, stream)


# Shrinking would take longer than reading a failure's steps.
@settings(max_examples=examples(3), phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(start=START, rounds=ROUNDS)
def test_what_two_streams_tell_of_counts_once_whatever_happened(
    start: tuple[list[Event], ...], rounds: list[list[Any]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = TwinLake(Path(folder))
        for (stream, partition), found in zip(PLACES, start, strict=True):
            made.put(partition, found, stream)
        sync(made.lake, SMALL)
        for changes in rounds:
            for step in changes:
                take(step, made)
            assert not sync(made.lake, SMALL).broken
            assert_twins_are_as_in_the_model(made)
        event(f"{len(made.links())} events linked")
        assert compare_with_lake(made.lake, SMALL).problems == []
        synced = dump(made.lake)
        rebuild(made.lake, SMALL)
        assert dump(made.lake) == synced
