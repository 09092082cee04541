"""Events that two streams tell of: linked as they come and go, counted once, and back in the counts when alone."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from journey_pipeline.recipe import Twin
from journey_pipeline.warehouse.connection import WarehouseSettings, warehouse_file
from journey_pipeline.warehouse.schema import LOADED_TABLES, made_tables
from journey_pipeline.warehouse.sync import rebuild, sync
from journey_pipeline_tests.new_home import put_warehouse
from journey_pipeline_tests.warehouse.made_lake import MIDNIGHT, SFMC, dump, held_daily, rows_of
from journey_pipeline_tests.warehouse.made_twins import (
    EMAILS,
    PROFILES,
    TWIN,
    Told,
    TwinLake,
    assert_twins_are_as_in_the_model,
    held_agreement,
)

pytestmark = pytest.mark.slow(reason="a warehouse is made in each test")

# However few events a day of these tests has, its tables change row by row.
SMALL = WarehouseSettings(memory="500MB", threads=1, lock_wait_s=0)
FIRST, SECOND = "2026-11-01", "2026-11-02"
NEXT_DAY = MIDNIGHT + timedelta(days=1, hours=5)
NEW = "20261103T060000Z-bb"


@pytest.fixture
def twins(tmp_path: Path) -> TwinLake:
    """A day of profile events and the same of e-mail events, one of each with a partner, synced."""
    made = TwinLake(put_warehouse(tmp_path))
    made.put(FIRST, [Told(1, correlation="c-1"), Told(2, correlation="c-2", row=2)], PROFILES)
    made.put(FIRST, [Told(1, correlation="c-1"), Told(3, correlation="c-3", row=2)], EMAILS)
    sync(made.lake, SMALL)
    return made


def events_counted(made: TwinLake) -> int:
    return sum(events for events, _ in held_daily(made.lake).values())


def assert_as_rebuilt(made: TwinLake) -> None:
    assert_twins_are_as_in_the_model(made)
    synced = dump(made.lake)
    rebuild(made.lake, SMALL)
    assert dump(made.lake) == synced


def test_an_event_that_both_tell_of_is_kept_twice_and_counted_once(twins: TwinLake) -> None:
    assert rows_of(warehouse_file(twins.lake), "select count(*) from core.journey_events") == [(4,)]
    assert events_counted(twins) == 3
    (agreement,) = held_agreement(twins.lake).values()
    assert agreement == ("email_events", 1, 1, 1)
    assert_as_rebuilt(twins)


def test_no_table_has_a_key_twice(twins: TwinLake) -> None:
    for table in (table for table in (*LOADED_TABLES, *made_tables()) if not table.arguments):
        found = re.search(r"[Kk]ey: ([a-z_, ]+)\.", table.comment)
        assert found or "One row." in table.comment, table.name
        if found:
            assert table.has(found[1].split(", ")), table.name
            repeated = f"select 1 from {table.name} group by {found[1]} having count(*) > 1"
            assert rows_of(warehouse_file(twins.lake), repeated) == [], table.name


def test_a_partner_that_comes_later_and_on_another_day_takes_the_event_out_of_its_own(twins: TwinLake) -> None:
    twins.put(SECOND, [Told(4, correlation="c-2", at=NEXT_DAY)], EMAILS)
    assert sync(twins.lake, SMALL).days_touched == 2
    assert events_counted(twins) == 3
    assert_as_rebuilt(twins)


def test_an_event_whose_partner_goes_counts_again(twins: TwinLake) -> None:
    twins.remove(FIRST, EMAILS)
    sync(twins.lake, replace(SMALL, remove=True))
    assert twins.links() == {}
    assert events_counted(twins) == 2
    assert_as_rebuilt(twins)


@pytest.mark.parametrize("moved", [{"at": NEXT_DAY}, {"at": NEXT_DAY, "correlation": None}, {"correlation": "c-3"}])
def test_an_event_that_comes_otherwise_in_a_newer_answer_is_linked_by_what_it_says_now(
    twins: TwinLake, moved: dict[str, object]
) -> None:
    twins.put(SECOND, [replace(Told(1, attempt=NEW), **moved)], PROFILES)  # type: ignore[arg-type]
    sync(twins.lake, SMALL)
    assert_as_rebuilt(twins)


def test_the_same_events_in_a_newer_answer_touch_nothing_else(twins: TwinLake) -> None:
    before = dump(twins.lake)
    twins.put(FIRST, [Told(1, correlation="c-1", attempt=NEW), Told(3, correlation="c-3", attempt=NEW, row=2)], EMAILS)
    sync(twins.lake, SMALL)
    now = dump(twins.lake)
    tables = ("core.linked_events", "internal.link_keys", "ops.agreement", "marts.journey_daily")
    assert [name for name in tables if now[name] != before[name]] == []
    assert_as_rebuilt(twins)


@pytest.mark.parametrize(
    "other",
    [
        Told(9, correlation="c-2", action="open"),
        Told(9, correlation="c-2", channel="sms"),
        Told(9, correlation="C-2"),
        Told(9, correlation=""),
        Told(9, correlation=None),
    ],
    ids=["another action", "another channel", "another value", "an empty value", "no value"],
)
def test_what_is_not_the_same_counts_by_itself(twins: TwinLake, other: Told) -> None:
    twins.put(SECOND, [other], EMAILS)
    sync(twins.lake, SMALL)
    assert len(twins.links()) == 1
    assert events_counted(twins) == 4
    assert_as_rebuilt(twins)


def test_the_same_value_in_another_connection_is_another_thing(twins: TwinLake) -> None:
    twins.put(FIRST, [Told(9, correlation="c-2")], replace(EMAILS, connection="apsis_brand_b"))
    twins.put("2026-11-01T05", [Told(9, correlation="c-2")], SFMC)
    sync(twins.lake, SMALL)
    assert len(twins.links()) == 1
    assert_as_rebuilt(twins)


def test_manifests_that_come_to_name_a_twin_link_what_was_there(tmp_path: Path) -> None:
    made = TwinLake(put_warehouse(tmp_path))
    rows = [Told(1, correlation="c-1"), Told(2, correlation="c-2", row=2)]
    made.put(FIRST, [*rows], PROFILES, twin=None)
    made.put(FIRST, [*rows], EMAILS)
    sync(made.lake, SMALL)
    assert events_counted(made) == 4
    made.put(FIRST, [*rows], PROFILES, twin=TWIN)
    sync(made.lake, SMALL)
    assert events_counted(made) == 2
    assert_as_rebuilt(made)
    made.put(FIRST, [*rows], PROFILES, twin=replace(TWIN, channel="sms"))
    sync(made.lake, SMALL)
    assert events_counted(made) == 4
    assert_as_rebuilt(made)


def test_of_two_streams_that_name_each_other_both_count(twins: TwinLake) -> None:
    twins.put(FIRST, [Told(1, correlation="c-1")], EMAILS, twin=Twin("profile_events", "correlation_id", "email"))
    sync(twins.lake, SMALL)
    assert events_counted(twins) == 3
    assert_as_rebuilt(twins)
