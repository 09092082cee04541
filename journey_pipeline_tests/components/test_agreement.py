"""How far two streams agree, as the check of it judges: on days that both have as a whole, and within a tolerance."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from journey_pipeline.components.standing_checks import agreement_result
from journey_pipeline.lake.documents import ExportListing, put_listing
from journey_pipeline.model import EXPORT_COLUMNS
from journey_pipeline.warehouse.connection import WarehouseSettings
from journey_pipeline.warehouse.publish import publish
from journey_pipeline.warehouse.questions import Agreement, AgreementTolerance, DayOfBoth, read_agreements
from journey_pipeline.warehouse.sync import sync
from journey_pipeline_tests.new_home import put_warehouse
from journey_pipeline_tests.warehouse.made_lake import MIDNIGHT, Event, day, events
from journey_pipeline_tests.warehouse.made_twins import EMAILS, PROFILES, Told, TwinLake

pytestmark = pytest.mark.slow(reason="a warehouse is made in each test")

SMALL = WarehouseSettings(memory="500MB", threads=1, lock_wait_s=0)
ASSET = dg.AssetKey("any")


def told(number: int, keys: range) -> list[Event]:
    """Events of the day with this number in November, one a link key."""
    at = MIDNIGHT + timedelta(days=number - 1, hours=5)
    return [Told(100 * number + key, at=at, row=key + 1, correlation=f"c-{number}-{key}") for key in keys]


def put_days(made: TwinLake, numbers: range, profiles: range, emails: range) -> None:
    for number in numbers:
        made.put(f"2026-11-{number:02}", told(number, profiles), PROFILES)
        made.put(f"2026-11-{number:02}", told(number, emails), EMAILS)


def agreements(made: TwinLake, tolerance: AgreementTolerance | None = None) -> list[Agreement]:
    sync(made.lake, SMALL)
    publish(made.lake, SMALL)
    return read_agreements(made.lake, tolerance or AgreementTolerance())


@pytest.fixture
def twins(tmp_path: Path) -> TwinLake:
    return TwinLake(put_warehouse(tmp_path))


def test_the_first_and_the_last_day_of_either_are_not_compared(twins: TwinLake) -> None:
    put_days(twins, range(2, 6), range(20), range(1, 22))
    twins.put("2026-11-06", told(6, range(20)), PROFILES)
    twins.put("2026-11-01", told(1, range(20)), EMAILS)
    (found,) = agreements(twins)
    assert (found.connection, found.stream, found.twin_stream) == ("apsis", "profile_events", "email_events")
    assert found.days == [DayOfBoth(day("2026-11-03"), 19, 1, 2), DayOfBoth(day("2026-11-04"), 19, 1, 2)]


def test_only_the_last_days_are_looked_at(twins: TwinLake) -> None:
    put_days(twins, range(1, 9), range(20), range(20))
    (found,) = agreements(twins, AgreementTolerance(days=3))
    assert [each.occurred_on.day for each in found.days] == [5, 6, 7]


def test_a_small_difference_is_normal(twins: TwinLake) -> None:
    put_days(twins, range(1, 4), range(20), range(2, 22))
    found = agreements(twins)
    result = agreement_result(ASSET, found, AgreementTolerance())
    assert result.passed
    assert (result.metadata["in_both"].value, result.metadata["only_in_twin"].value) == (18, 2)


def test_a_day_that_one_stream_has_not_loaded_is_no_difference(twins: TwinLake) -> None:
    put_days(twins, range(1, 6), range(20), range(20))
    twins.remove("2026-11-02", EMAILS)
    twins.remove("2026-11-03", PROFILES)
    (found,) = agreements(twins)
    assert found.days == [DayOfBoth(day("2026-11-04"), 20, 0, 0)]


def test_a_day_is_not_compared_while_its_late_events_are_missing_which_lie_in_the_next_days_file(
    twins: TwinLake,
) -> None:
    put_days(twins, range(1, 7), range(20), range(20))
    twins.put("2026-11-03", told(3, range(15)), EMAILS)
    twins.put("2026-11-04", [*told(4, range(20)), *told(3, range(15, 20))], EMAILS)
    twins.remove("2026-11-04", EMAILS)
    (found,) = agreements(twins)
    assert [each.occurred_on.day for each in found.days] == [2, 5]


@pytest.fixture(scope="module")
def six_days(tmp_path_factory: pytest.TempPathFactory) -> TwinLake:
    made = TwinLake(put_warehouse(tmp_path_factory.mktemp("six_days")))
    put_days(made, range(1, 7), range(20), range(20))
    return made


@pytest.mark.parametrize(
    ("state", "ready_at", "compared"),
    [
        ("pending", None, [2, 5]),
        ("ready", "2026-11-08T00:00:00+00:00", [2, 5]),
        ("landed", "2026-11-08T00:00:00+00:00", [2, 5]),  # its events were not made when the sync looked
        ("landed", "2026-11-04T20:00:00+00:00", [2, 3, 4, 5]),
        ("replaced", None, [2, 3, 4, 5]),
        ("stopped", None, [2, 3, 4, 5]),  # it needs a person, and another check says so
    ],
)
def test_a_day_of_which_an_order_is_under_way_is_not_compared(
    six_days: TwinLake, state: str, ready_at: str | None, compared: list[int]
) -> None:
    order: dict[str, int | str | None] = dict.fromkeys((column.name for column in EXPORT_COLUMNS), None)
    order |= {"export_id": 1, "connection": "apsis", "stream": "email_events", "partition_key": "2026-11-04"}
    order |= {"window_start": "2026-11-04T00:00:00+00:00", "window_end": "2026-11-05T00:00:00+00:00"}
    put_listing(six_days.lake, ExportListing(exports=({**order, "state": state, "ready_at": ready_at},)))
    (found,) = agreements(six_days)
    assert [each.occurred_on.day for each in found.days] == compared


def test_a_day_whose_events_one_export_lacks_is_told_with_its_figures(twins: TwinLake) -> None:
    put_days(twins, range(1, 5), range(20), range(20))
    twins.put("2026-11-02", [], EMAILS)
    result = agreement_result(ASSET, agreements(twins), AgreementTolerance())
    assert not result.passed
    assert result.severity is dg.AssetCheckSeverity.WARN
    assert result.description
    assert "on 1 of 2 days" in result.description
    assert "2026-11-02: 0 in both, 20 only in profile_events, 0 only in email_events" in result.description
    assert agreement_result(ASSET, agreements(twins), AgreementTolerance(share=1.0)).passed


def test_without_two_such_streams_nothing_is_compared(twins: TwinLake) -> None:
    twins.put("2026-11-01T05", events([1, 2]))
    twins.put("2026-11-01", told(1, range(5)), PROFILES)
    assert agreements(twins) == []
    assert agreement_result(ASSET, [], AgreementTolerance()).passed
