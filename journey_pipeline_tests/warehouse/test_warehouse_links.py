"""Events that two streams tell of: linked as they come and go, counted once, and back in the counts when alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from journey_pipeline.model import StreamKey
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


def put_first_day(made: TwinLake, profiles: StreamKey, emails: StreamKey) -> None:
    made.put(FIRST, [Told(1, correlation="c-1"), Told(2, correlation="c-2", row=2)], profiles, twin=TWIN)
    made.put(FIRST, [Told(1, correlation="c-1"), Told(3, correlation="c-3", row=2)], emails)


@pytest.fixture
def twins(tmp_path: Path) -> TwinLake:
    """A day of profile events and the same of e-mail events, one of each with a partner, synced."""
    made = TwinLake(put_warehouse(tmp_path))
    put_first_day(made, PROFILES, EMAILS)
    sync(made.lake, SMALL)
    return made


def events_counted(made: TwinLake) -> int:
    return sum(events for events, _ in held_daily(made.lake).values())


def assert_as_rebuilt(made: TwinLake) -> None:
    assert_twins_are_as_in_the_model(made)
    synced = dump(made.lake)
    rebuild(made.lake, SMALL)
    assert dump(made.lake) == synced


@dataclass(frozen=True)
class Case:
    """What comes to the two streams of a connection, how many of its events are then linked, and how many count."""

    change: Callable[[TwinLake, StreamKey, StreamKey], object]
    linked: int
    counted: int


def comes(partition: str, *rows: Told, to: int, **manifest: Any) -> Callable[..., object]:
    """Events that come to profile events (0) or to e-mail events (1)."""
    return lambda made, *streams: made.put(partition, [*rows], streams[to], **manifest)


NOT_THE_SAME = {
    "another action": Told(9, correlation="c-2", action="open"),
    "another channel": Told(9, correlation="c-2", channel="sms"),
    "another value": Told(9, correlation="C-2"),
    "an empty value": Told(9, correlation=""),
    "no value": Told(9, correlation=None),
}
OTHER_WAY = Twin("profile_events", "correlation_id", "email")
CASES = {
    "what both tell of is kept twice and counted once": Case(lambda *_: None, 1, 3),
    "a partner that comes later and on another day takes the event out of its own": Case(
        comes(SECOND, Told(4, correlation="c-2", at=NEXT_DAY), to=1), 2, 3
    ),
    "an event whose partner goes counts again": Case(lambda made, _, emails: made.remove(FIRST, emails), 0, 2),
    "in a newer answer it is of another day": Case(
        comes(SECOND, Told(1, attempt=NEW, at=NEXT_DAY, correlation="c-1"), to=0), 1, 3
    ),
    "in a newer answer it has no value": Case(
        comes(SECOND, Told(1, attempt=NEW, at=NEXT_DAY, correlation=None), to=0), 0, 4
    ),
    "in a newer answer it has the value of another": Case(
        comes(SECOND, Told(1, attempt=NEW, correlation="c-3"), to=0), 1, 3
    ),
    "the same value at another vendor is another thing": Case(
        lambda made, *_: made.put("2026-11-01T05", [Told(9, correlation="c-2")], SFMC), 1, 3
    ),
    "of two streams that name each other both count": Case(
        comes(FIRST, Told(1, correlation="c-1"), to=1, twin=OTHER_WAY), 0, 3
    ),
    **{f"{name} is not the same": Case(comes(SECOND, told, to=1), 1, 4) for name, told in NOT_THE_SAME.items()},
}


def connection_of(case: str) -> str:
    return f"apsis_{list(CASES).index(case)}"


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> TwinLake:
    """A connection for each case, with a day of both streams that was synced before the case's change came."""
    made = TwinLake(put_warehouse(tmp_path_factory.mktemp("links") / "home"))
    streams = {
        name: [replace(stream, connection=connection_of(name)) for stream in (PROFILES, EMAILS)] for name in CASES
    }
    for profiles, emails in streams.values():
        put_first_day(made, profiles, emails)
    sync(made.lake, SMALL)
    for name, case in CASES.items():
        case.change(made, *streams[name])
    sync(made.lake, replace(SMALL, remove=True))
    return made


def test_what_is_linked_and_counted_is_as_in_the_model_after_syncs_and_after_a_rebuild(cases: TwinLake) -> None:
    assert_as_rebuilt(cases)


@pytest.mark.parametrize("case", CASES)
def test_of_two_streams_that_tell_of_the_same(cases: TwinLake, case: str) -> None:
    where = f"where connection = '{connection_of(case)}'"
    linked = f"select count(*) from core.linked_events semi join (from core.journey_events {where}) using (event_key)"
    counted = f"select sum(events)::bigint from marts.journey_daily {where}"
    found = [rows_of(warehouse_file(cases.lake), sql) for sql in (linked, counted)]
    assert found == [[(CASES[case].linked,)], [(CASES[case].counted,)]]


def test_an_event_that_both_tell_of_agrees(cases: TwinLake) -> None:
    assert rows_of(
        warehouse_file(cases.lake), "select count(*) from core.journey_events where connection = 'apsis_0'"
    ) == [(4,)]
    (agreement,) = [told for (_, connection, _), told in held_agreement(cases.lake).items() if connection == "apsis_0"]
    assert agreement == ("email_events", 1, 1, 1)


def test_no_table_has_a_key_twice(cases: TwinLake) -> None:
    for table in (table for table in (*LOADED_TABLES, *made_tables()) if not table.arguments):
        found = re.search(r"[Kk]ey: ([a-z_, ]+)\.", table.comment)
        assert found or "One row." in table.comment, table.name
        if found:
            assert table.has(found[1].split(", ")), table.name
            repeated = f"select 1 from {table.name} group by {found[1]} having count(*) > 1"
            assert rows_of(warehouse_file(cases.lake), repeated) == [], table.name


def test_a_partner_that_comes_later_touches_its_day_and_that_of_the_event(twins: TwinLake) -> None:
    twins.put(SECOND, [Told(4, correlation="c-2", at=NEXT_DAY)], EMAILS)
    assert sync(twins.lake, SMALL).days_touched == 2


def test_the_same_events_in_a_newer_answer_touch_nothing_else(twins: TwinLake) -> None:
    before = dump(twins.lake)
    twins.put(FIRST, [Told(1, correlation="c-1", attempt=NEW), Told(3, correlation="c-3", attempt=NEW, row=2)], EMAILS)
    sync(twins.lake, SMALL)
    now = dump(twins.lake)
    tables = ("core.linked_events", "internal.link_keys", "ops.agreement", "marts.journey_daily")
    assert [name for name in tables if now[name] != before[name]] == []
    assert_twins_are_as_in_the_model(twins)


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
    assert_twins_are_as_in_the_model(made)
    made.put(FIRST, [*rows], PROFILES, twin=replace(TWIN, channel="sms"))
    sync(made.lake, SMALL)
    assert events_counted(made) == 4
    assert_as_rebuilt(made)
