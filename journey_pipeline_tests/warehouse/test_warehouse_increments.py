"""Days of which little changes: their tables change with it, and end as a rebuild makes them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import cycle
from pathlib import Path

import duckdb
import pytest

from journey_pipeline.warehouse import merge, slices, table
from journey_pipeline.warehouse.connection import WarehouseSettings, warehouse_file
from journey_pipeline.warehouse.sync import rebuild, sync
from journey_pipeline_tests.new_home import put_warehouse
from journey_pipeline_tests.warehouse.made_lake import (
    MIDNIGHT,
    Event,
    MadeLake,
    assert_is_as_in_the_model,
    dump,
    rows_of,
)

pytestmark = pytest.mark.slow(reason="a warehouse is made in each test")

SMALL = WarehouseSettings(memory="500MB", threads=1, lock_wait_s=0)
FIVE, SIX, SEVEN = "2026-11-01T05", "2026-11-01T06", "2026-11-01T07"
OLD, NEW = "20261101T060000Z-aa", "20261103T060000Z-bb"


def busy_hour(rows: int = 400) -> list[Event]:
    """An hour of one journey: its latest event, and the one received latest, is the last."""
    start = MIDNIGHT + timedelta(hours=5)
    return [
        Event(
            number,
            at=start + timedelta(seconds=number),
            attempt=OLD,
            row=number,
            contact=f"C-{number % 150}",
            activity=f"A-{number % 5}",
            received=start + timedelta(hours=1, seconds=number),
        )
        for number in range(1, rows + 1)
    ]


@pytest.fixture(scope="module")
def busy_once(tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    folder = tmp_path_factory.mktemp("increments")
    made = MadeLake(put_warehouse(folder / "home"))
    made.put(FIVE, busy_hour())
    sync(made.lake, SMALL)
    assert_as_rebuilt(made.copied(folder / "rebuilt"))
    return made


@pytest.fixture(scope="module")
def before(busy_once: MadeLake) -> dict[str, list[tuple[object, ...]]]:
    """All that the busy hour's warehouse holds."""
    return dump(busy_once.lake)


@pytest.fixture
def busy(busy_once: MadeLake, tmp_path: Path) -> MadeLake:
    return busy_once.copied(tmp_path / "home")


def assert_as_rebuilt(made: MadeLake) -> None:
    assert_is_as_in_the_model(made)
    synced = dump(made.lake)
    rebuild(made.lake, SMALL)
    assert dump(made.lake) == synced


def assert_as_rebuilt_with_six_and_as_before_without(
    made: MadeLake, before: dict[str, list[tuple[object, ...]]]
) -> None:
    """With the hour's other file, and without it: then all is as it was before."""
    sync(made.lake, SMALL)
    assert_as_rebuilt(made)
    made.remove(SIX)
    sync(made.lake, SMALL)
    assert_is_as_in_the_model(made)
    assert dump(made.lake) == before


def test_a_few_more_events_are_added_to_their_day(busy: MadeLake) -> None:
    known, new = busy_hour()[7], busy_hour()[8]
    busy.put(
        SIX,
        [
            replace(known, key=1001, attempt=NEW, received=MIDNIGHT + timedelta(days=9)),
            replace(new, key=1002, attempt=NEW, contact="C-new"),
            replace(new, key=1003, attempt=NEW, contact="C-new", journey=None, activity=None),
            replace(new, key=1004, attempt=NEW, at=MIDNIGHT + timedelta(hours=6, seconds=1), received=None),
            replace(new, key=1005, attempt=NEW, is_test=True),
        ],
    )
    sync(busy.lake, SMALL)
    assert_as_rebuilt(busy)


def test_events_that_come_again_in_a_newer_answer_change_no_figure(busy: MadeLake) -> None:
    before = busy.daily()
    busy.put(SIX, [replace(event, attempt=NEW) for event in busy_hour()[::20]])
    sync(busy.lake, SMALL)
    assert busy.daily() == before
    assert_as_rebuilt(busy)


def test_events_that_only_come_again_stay_and_take_over_where_they_landed(
    busy: MadeLake, before: dict[str, list[tuple[object, ...]]]
) -> None:
    again = [replace(event, attempt=NEW) for event in busy_hour()]
    busy.put(SIX, [*again[:200], *(replace(event, activity="A-other") for event in again[200:300])])
    sync(busy.lake, SMALL)
    # Rows that come anew lie behind the hundred that the answer does not repeat.
    first = "select partition_key from core.journey_events order by rowid limit 200"
    assert rows_of(warehouse_file(busy.lake), f"select distinct partition_key from ({first})") == [(SIX,)]
    assert_as_rebuilt_with_six_and_as_before_without(busy, before)


def test_no_more_events_stay_than_memory_holds_changes_of(
    busy: MadeLake, monkeypatch: pytest.MonkeyPatch, before: dict[str, list[tuple[object, ...]]]
) -> None:
    monkeypatch.setattr(merge, "_BYTES_OF_KEPT", 12_000_000)  # 41 of them
    busy.put(SIX, [replace(event, attempt=NEW) for event in busy_hour()[:300]])
    sync(busy.lake, SMALL)
    # The hundred that the answer does not repeat are before those that went and came.
    first = "select partition_key from core.journey_events order by rowid limit 141"
    counted = f"select count(*) from ({first}) where partition_key = '{SIX}'"
    assert rows_of(warehouse_file(busy.lake), counted) == [(41,)]
    assert_as_rebuilt_with_six_and_as_before_without(busy, before)


def test_the_latest_event_of_a_day_can_go(busy: MadeLake, before: dict[str, list[tuple[object, ...]]]) -> None:
    last = busy_hour()[-1]
    busy.put(SIX, [replace(last, attempt=NEW, at=MIDNIGHT + timedelta(days=3), received=MIDNIGHT, contact="C-other")])
    assert_as_rebuilt_with_six_and_as_before_without(busy, before)


def test_a_step_that_nobody_takes_any_more_leaves_its_day(busy: MadeLake) -> None:
    busy.put(SIX, [replace(busy_hour()[0], key=2001, attempt=NEW, activity="A-rare", activity_name="Rare")])
    sync(busy.lake, SMALL)
    busy.remove(SIX)
    busy.put(SEVEN, [replace(busy_hour()[0], key=2002, attempt=NEW, activity_name="Called otherwise now")])
    sync(busy.lake, SMALL)
    assert_as_rebuilt(busy)


def test_passages_that_do_not_fit_into_memory_at_once_are_made_in_slices(
    busy: MadeLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    journeys = [None, *(f"J-{number}" for number in range(8))]
    told = zip(busy_hour(), cycle(journeys), strict=False)
    busy.put(SIX, [replace(event, key=1000 + event.key, journey=journey) for event, journey in told])
    sync(busy.lake, SMALL)
    at_once = dump(busy.lake)
    for bytes_of_row in (1_000_000, 10_000_000):  # two slices of some journeys each; more slices than journeys
        monkeypatch.setattr(slices, "_BYTES_OF_ROW", bytes_of_row)
        rebuild(busy.lake, SMALL)
        assert dump(busy.lake) == at_once


def test_numbers_of_another_duckdb_are_made_anew(busy: MadeLake, monkeypatch: pytest.MonkeyPatch) -> None:
    busy.put(SIX, [replace(event, key=1000 + event.key, attempt=NEW) for event in busy_hour()[:50]])
    sync(busy.lake, SMALL)
    before = dump(busy.lake)
    busy.remove(SIX)
    sync(busy.lake, SMALL)
    with duckdb.connect(warehouse_file(busy.lake)) as session:
        for name, number in (
            ("passages", "root_number"),
            ("contacts_by_day", "person_number"),
            ("contact_emails", "person_number"),
            ("reentries", "root_number"),
        ):
            session.execute(f"update internal.{name} set {number} = 0")
    monkeypatch.setattr(duckdb, "__version__", "another")
    monkeypatch.setattr(table, "_ordered", table._ordered.__wrapped__)  # as in a new process
    busy.put(SIX, [replace(event, key=1000 + event.key, attempt=NEW) for event in busy_hour()[:50]])
    sync(busy.lake, SMALL)
    after = dump(busy.lake)
    assert before.pop("internal.tables") != after.pop("internal.tables")
    assert after == before


def test_changed_passages_that_do_not_fit_into_memory_at_once_are_made_in_slices(
    busy: MadeLake, monkeypatch: pytest.MonkeyPatch, before: dict[str, list[tuple[object, ...]]]
) -> None:
    monkeypatch.setattr(slices, "_BYTES_OF_ROW", 10_000_000)
    told = zip(busy_hour(), cycle(f"J-{number}" for number in range(8)), strict=False)
    busy.put(SIX, [replace(event, key=1000 + event.key, journey=journey) for event, journey in told])
    assert_as_rebuilt_with_six_and_as_before_without(busy, before)


def test_passages_and_people_whose_number_is_that_of_others_by_chance_stay(busy: MadeLake) -> None:
    before = dump(busy.lake)
    with duckdb.connect(warehouse_file(busy.lake)) as session:
        for name, number in (
            ("passages", "passage_number"),
            ("passages", "root_number"),
            ("reentries", "root_number"),
        ):
            session.execute(f"""
                update internal.{name} set {number} = (select {number} from internal.passages where contact_id = 'C-1')
                where contact_id = 'C-2'
            """)
    more = replace(busy_hour()[0], key=2001, attempt=NEW)
    busy.put(SIX, [replace(more, contact="C-1")])
    sync(busy.lake, SMALL)
    after = dump(busy.lake)
    of_other = {name: [row for row in rows if "C-2" in row] for name, rows in before.items()}
    assert of_other["internal.passages"]
    for name, rows in of_other.items():
        assert len([row for row in after[name] if "C-2" in row]) == len(rows), name
