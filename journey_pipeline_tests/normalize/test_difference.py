"""What new rules would change is told before anything changes, and without a person's data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from journey_pipeline.normalize.difference import Difference, difference
from journey_pipeline.normalize.run import NoneReadableError, finished
from journey_pipeline.recipe import Recipe
from journey_pipeline_tests.lake.made_landing import KEY, NOTES, PARTITION, MadeLanding, as_csv

HEADER = ("Id", "At", "Who", "Text", "Kind")
ROWS = [
    ("1", "2026-11-20T09:01:00Z", "ana@example.org", "Welcome", "Seen"),
    ("2", "2026-11-20T09:02:00Z", "bo@example.org", "Welcome bo@example.org", "Seen"),
    ("3", "2026-11-20T09:03:00Z", "C-3", "For C-3", "Gone"),
    ("4", "never", "C-4", "Welcome", "Seen"),
]


def compared(made: MadeLanding, recipe: Recipe) -> Difference:
    with finished(made.lake, KEY, PARTITION, recipe) as done:
        return difference(made.lake, done)


@pytest.fixture
def made(tmp_path: Path) -> MadeLanding:
    landing = MadeLanding(tmp_path)
    landing.land(as_csv(ROWS, HEADER))
    landing.normalize()
    return landing


def with_sql(*changes: tuple[str, str]) -> Recipe:
    sql = NOTES.sql
    for before, after in changes:
        assert before in sql
        sql = sql.replace(before, after)
    return replace(NOTES, sql=sql)


def test_the_same_rules_change_nothing(made: MadeLanding) -> None:
    found = compared(made, NOTES)
    assert (found.events, found.rejects, found.changed) == ((3, 3), (1, 1), 0)
    assert not found.added
    assert not found.gone
    assert not found.columns


def test_changes_are_counted_by_column_and_field_and_nothing_of_the_lake_changes(made: MadeLanding) -> None:
    before = {file: file.read_bytes() for file in made.home.rglob("*") if file.is_file()}
    recipe = with_sql(("'other' as action", "case when \"Kind\" = 'Seen' then 'open' else 'other' end as action"))
    recipe = replace(recipe, properties={"id": "Id", "kind": "Kind"})
    found = compared(made, recipe)
    assert (found.events, found.changed) == ((3, 3), 3)
    assert found.columns == {"action": 2, "properties": 3, "properties.kind": 3}
    assert found.samples == {"action": {("other", "open"): 2}}
    assert {file: file.read_bytes() for file in made.home.rglob("*") if file.is_file()} == before


def test_a_new_key_makes_other_events_and_a_mended_reject_is_one_more(made: MadeLanding) -> None:
    found = compared(made, with_sql(('else ["Id"] end', 'else ["Id", "Kind"] end')))
    assert (found.added, found.gone, found.changed) == ({"other other": 3}, {"other other": 3}, 0)
    mended = with_sql(
        ('try_cast("At" as timestamptz) as', "coalesce(try_cast(\"At\" as timestamptz), '2026-11-20') as"),
        ('when try_cast("At" as timestamptz) is null', "when false"),
    )
    found = compared(made, mended)
    assert (found.events, found.rejects, found.added) == ((3, 4), (1, 0), {"other other": 1})


def test_samples_hold_no_key_and_no_address_of_a_person(made: MadeLanding) -> None:
    found = compared(
        made, with_sql(('"Text" as journey_name', 'upper("Text") as journey_name'), ("null as email", '"Who" as email'))
    )
    assert found.columns == {"journey_name": 3, "email": 3}
    assert found.samples == {
        "journey_name": {("Welcome", "WELCOME"): 1, ("Welcome *", "WELCOME *"): 1, ("For *", "FOR *"): 1}
    }


def test_all_events_are_new_where_none_are_made_and_what_can_not_be_read_is_said(tmp_path: Path) -> None:
    made = MadeLanding(tmp_path)
    attempt = made.land(as_csv(ROWS, HEADER))
    found = compared(made, NOTES)
    assert (found.events, found.added) == ((0, 3), {"other other": 3})
    made.landed(attempt).write_bytes(b"no gzip")
    before = made.manifest()
    with pytest.raises(NoneReadableError, match="part-0"):
        compared(made, NOTES)
    assert made.manifest() == before
