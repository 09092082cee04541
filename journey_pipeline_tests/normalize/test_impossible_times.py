"""A time that can't be true costs its own record, and no other one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from journey_pipeline.recipe import Recipe
from journey_pipeline.vendors.apsis.email_events.stream import EMAIL_EVENTS
from journey_pipeline.vendors.apsis.profile_events.stream import PROFILE_EVENTS
from journey_pipeline.vendors.layerfive.customer_journeys.mapping import MappingSettings
from journey_pipeline.vendors.layerfive.customer_journeys.stream import customer_journeys_recipe
from journey_pipeline.vendors.sfmc.journey_history.stream import JOURNEY_HISTORY
from journey_pipeline_tests.lake.made_landing import NOTES, MadeLanding, as_csv

AT = "2026-11-20T09:58:11Z"
IMPOSSIBLE = [
    "12026-11-20T09:58:11Z",
    "9999-12-31T23:59:59Z",
    "2100-01-01T00:00:00Z",
    "1989-12-31T23:59:59Z",
    "0001-01-01T00:00:00Z",
    "infinity",
    "290000-01-01 (BC) 00:00:00Z",
    "294247-01-10 04:00:54Z",
]


@pytest.mark.parametrize("time", IMPOSSIBLE)
def test_an_impossible_time_rejects_its_record_and_no_other(made: MadeLanding, time: str) -> None:
    made.land(as_csv([["1", time, "C-1", "x"], *[[str(one), AT, "C", "x"] for one in range(2, 11)]]))
    manifest = made.normalize()
    assert (manifest.events.rows, manifest.unaccounted) == (9, 0)
    assert str(manifest.first_at) == "2026-11-20 09:58:11+00:00"
    assert made.rejects("occurred_at, contact_id, reason") == [(None, "C-1", "impossible time")]


@pytest.mark.parametrize("time", ["1990-01-01T00:00:00Z", "2099-12-31T23:59:59.999999Z"])
def test_the_first_and_the_last_believable_time_are_events(made: MadeLanding, time: str) -> None:
    made.land(as_csv([["1", time, "C-1", "x"]]))
    assert made.normalize().rejects is None


@pytest.mark.parametrize("time", ["12026-11-20T09:58:11Z", "0001-01-01T00:00:00Z"])
def test_an_impossible_time_of_receipt_is_kept_as_text(made: MadeLanding, time: str) -> None:
    received = NOTES.sql.replace("null as received_at", 'try_cast("Text" as timestamptz) as received_at')
    made.recipe = replace(NOTES, sql=received)
    made.land(as_csv([["1", AT, "C-1", time], ["2", AT, "C-2", AT]]))
    made.normalize()
    assert made.events("received_at is null, properties ->> 'received_at'") == [
        (True, f"{time[:-10].replace('T', ' ')} {time[-9:-1]}+00"),
        (False, None),
    ]


RECIPES: list[tuple[Recipe, str]] = [
    (JOURNEY_HISTORY, "TransactionTime"),
    (JOURNEY_HISTORY, "CreatedDate"),
    (JOURNEY_HISTORY, "EpochTimeInMilliseconds"),
    (customer_journeys_recipe(MappingSettings()), "occurred_at"),
    (customer_journeys_recipe(MappingSettings(timezone="America/New_York")), "occurred_at"),
    (EMAIL_EVENTS, "event_time"),
    (EMAIL_EVENTS, "server_time"),
    (PROFILE_EVENTS, "source_event_time"),
    (PROFILE_EVENTS, "created_at"),
]
NUMBERS = ["253402300799999", "9223372036854775807", "-9223372036854775808", "99999999999999999", "1e300", "-1", "NaN"]


@pytest.mark.parametrize(("recipe", "column"), RECIPES, ids=lambda one: one if isinstance(one, str) else one.stream)
def test_no_vendors_time_stops_its_partition(tmp_path: Path, recipe: Recipe, column: str) -> None:
    times = [*IMPOSSIBLE, *(time.rstrip("Z") for time in IMPOSSIBLE), *NUMBERS]
    # By way of the lake's own CSV, whatever form the vendor's file has: it is the SQL that is tried here.
    in_csv = {"format": "csv", "reader": None, "attributes": None}
    made = MadeLanding(tmp_path / "home", recipe=replace(recipe, **in_csv, key_columns=(column,)))
    made.land(as_csv([[time] for time in times], [column]))
    manifest = made.normalize()
    assert manifest.unaccounted == 0
    assert manifest.events.rows + (manifest.rejects.rows if manifest.rejects else 0) == len(times)
    seen = "occurred_at between '1990-01-01' and '2100-01-01'"
    assert {believable for (believable,) in made.events(seen)} <= {True}
    assert [row for row in made.rejects("occurred_at, received_at") if row != (None, None)] == []
