"""A mart that is added as `docs/analysts.md` says, and what a wrong header is told."""

from __future__ import annotations

import re
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from journey_pipeline.errors import WarehouseError
from journey_pipeline.warehouse import schema
from journey_pipeline.warehouse.connection import WarehouseSettings, published_file, warehouse_file
from journey_pipeline.warehouse.publish import publish
from journey_pipeline.warehouse.sync import rebuild, sync
from journey_pipeline_tests.warehouse.made_lake import MIDNIGHT, Event, MadeLake, dump, rows_of

pytestmark = pytest.mark.slow(reason="a warehouse is made in each test")

PAGE = Path(__file__).parents[2] / "docs/analysts.md"
SMALL = WarehouseSettings(memory="500MB", threads=1, lock_wait_s=0)
FIVE, SIX = "2026-11-01T05", "2026-11-02T06"
BY_PERSON = """\
-- Each person's events.
-- Key: connection, contact_id.
-- Made: by connection, contact_id.
--
-- connection: The configured account.
-- contact_id: The person.
-- events: How many.
-- first_at: The first one, UTC.
select
    connection,
    contact_id,
    count(*) as events,
    min(occurred_at) as first_at
from core.journey_events
group by all
"""


@pytest.fixture
def marts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the marts' files in a copy of the warehouse's SQL."""
    copy = tmp_path / "sql"
    shutil.copytree(schema.SQL, copy)
    monkeypatch.setattr(schema, "SQL", copy)
    return copy / "marts"


def entered(key: int, contact: str, **other: object) -> Event:
    return Event(key, row=key, contact=contact, action="enter", **other)  # type: ignore[arg-type]


def test_a_mart_of_the_recipe_is_published_and_follows_a_late_event(made: MadeLake, marts: Path) -> None:
    (recipe,) = re.findall(r"```sql\n(-- .*?)```", PAGE.read_text(), re.DOTALL)
    made.put(FIVE, [entered(1, "C-1"), entered(2, "C-2"), entered(3, "C-2", at=MIDNIGHT + timedelta(days=1))])
    sync(made.lake, SMALL)
    (marts / "people_who_entered.sql").write_text(recipe)
    (marts / "people.sql").write_text(BY_PERSON.rstrip() + ";\n")

    def published(sql: str) -> list[tuple[object, ...]]:
        sync(made.lake, SMALL)
        publish(made.lake, SMALL)
        return rows_of(published_file(made.lake), sql)

    people = "select occurred_on::varchar, journey_id, people from marts.people_who_entered order by all"
    assert published(people) == [("2026-11-01", "J-1", 2), ("2026-11-02", "J-1", 1)]
    assert published("select comment from duckdb_columns() where table_name = 'people' and column_name = 'events'") == [
        ("How many.",)
    ]
    made.put(SIX, [entered(4, "C-3"), entered(5, "C-2", at=MIDNIGHT)])
    assert published(people) == [("2026-11-01", "J-1", 3), ("2026-11-02", "J-1", 1)]
    persons = "select contact_id, events, first_at from marts.people order by 1"
    five = MIDNIGHT + timedelta(hours=5)
    assert published(persons) == [("C-1", 1, five), ("C-2", 3, MIDNIGHT), ("C-3", 1, five)]
    made.remove(SIX)
    assert published(people) == [("2026-11-01", "J-1", 2), ("2026-11-02", "J-1", 1)]
    assert published(persons) == [("C-1", 1, five), ("C-2", 2, five)]
    synced = dump(made.lake)
    rebuild(made.lake, SMALL)
    assert dump(made.lake) == synced


def test_a_mart_made_as_a_whole_runs_again_once_a_table_that_it_reads_has_changed(made: MadeLake, marts: Path) -> None:
    header = (
        "-- One row.\n-- Key: drawn.\n-- Made: as a whole.\n--\n-- drawn: Another number each time.\n-- rows: Read.\n"
    )
    for name, reads in (("of_lists", "internal.journeys"), ("of_view", "marts.seen"), ("of_files", "internal.files")):
        (marts / f"{name}.sql").write_text(f"{header}select random() as drawn, count(*) as rows from {reads}\n")
    seen = "-- Events.\n-- Key: event_key.\n-- Made: a view.\n--\n-- event_key: It.\nselect event_key\n"
    (marts / "seen.sql").write_text(f"{seen}from core.journey_events\n")

    def synced() -> list[tuple[object, ...]]:
        sync(made.lake, SMALL)
        each = [f"select drawn, rows from marts.{name}" for name in ("of_lists", "of_view", "of_files")]
        return rows_of(warehouse_file(made.lake), " union all ".join(each))

    made.put(FIVE, [entered(1, "C-1")])
    first = synced()
    made.put(SIX, [entered(2, "C-2"), entered(3, "C-3")])
    second = synced()
    assert [rows for _, rows in second] == [0, 3, 2]
    assert [one == other for one, other in zip(first, second, strict=True)] == [True, False, False]
    made.put_dimension("journeys", [{"journey_id": "J-1"}])
    assert [rows for _, rows in synced()] == [1, 3, 2]


def test_columns_of_a_mart_may_have_names_that_sql_keeps_for_itself(made: MadeLake, marts: Path) -> None:
    (marts / "people.sql").write_text(BY_PERSON.replace("-- events:", "-- group:").replace("as events", 'as "group"'))
    (marts / "sizes.sql").write_text(
        "-- How many people have so many events.\n-- Key: group.\n-- Made: by group.\n--\n-- group: Events.\n"
        '-- people: How many.\nselect "group", count(*) as people from marts.people group by all\n'
    )
    made.put(FIVE, [entered(1, "C-1"), entered(2, "C-2")])
    sync(made.lake, SMALL)
    made.put(SIX, [entered(3, "C-2", at=MIDNIGHT)])
    sync(made.lake, SMALL)
    assert rows_of(warehouse_file(made.lake), 'select "group", people from marts.sizes order by 1') == [(1, 1), (2, 1)]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("select 1 as a", r"people: its SQL file needs a header: .*`Made: by <columns>.`"),
        (BY_PERSON.replace("-- Made: by connection, contact_id.\n", ""), "needs a header"),
        (BY_PERSON.replace("-- Key: connection, contact_id.\n", ""), "needs a header"),
        (BY_PERSON.replace("by connection, contact_id.", "by occurred_on."), "must be among its columns"),
        (BY_PERSON.replace("core.journey_events", "ops.partitions"), "reads internal.files.*views of those"),
        (BY_PERSON.replace("core.journey_events", "core.segments"), "reads core.segments"),
        (
            BY_PERSON.replace("by connection, contact_id.", "by adding up."),
            "adding up and reads core.journey_events. It may read tables that SELECTs make",
        ),
        (
            BY_PERSON.replace("count(*)", "count(distinct landing_file)"),
            r"marts.people can't be made: .*sees no partition_key, landing_file, landing_row of an event\. Nothing",
        ),
        (BY_PERSON.replace("core.journey_events", "marts.people"), "marts.people is read by marts.people"),
        (BY_PERSON.replace("count(*)", "cont(*)"), "marts.people can't be made: .* cont .*Correct its SQL file"),
        (
            BY_PERSON.replace("-- first_at: The first one, UTC.\n", ""),
            "marts.people: its header lacks a line for first_at",
        ),
        (BY_PERSON.replace("-- events", "-- lacks: None.\n-- events"), "marts.people can't be made: .*lacks"),
    ],
    ids=[
        "no header",
        "no unit",
        "no key",
        "a unit that it lacks",
        "a view",
        "a table that files are loaded into",
        "sums over events",
        "where events landed",
        "itself",
        "a function that is not there",
        "a column without a line",
        "a column that it lacks",
    ],
)
def test_a_mart_that_can_not_be_made_again_as_it_says_is_refused(
    made: MadeLake, marts: Path, wrong: str, told: str
) -> None:
    (marts / "people.sql").write_text(wrong)
    made.put(FIVE, [entered(1, "C-1")])
    with pytest.raises(WarehouseError, match=told):
        sync(made.lake, SMALL)


def test_a_mart_that_reads_tables_of_one_name_is_refused(made: MadeLake, marts: Path) -> None:
    (marts / "journey_events.sql").write_text(BY_PERSON)
    both = BY_PERSON.replace(
        "core.journey_events", "core.journey_events semi join marts.journey_events using (contact_id)"
    )
    (marts / "people.sql").write_text(both)
    made.put(FIVE, [entered(1, "C-1")])
    with pytest.raises(WarehouseError, match=r"marts\.people reads tables of one name in two schemas"):
        sync(made.lake, SMALL)
