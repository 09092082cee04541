"""What an account of Insider lists, over real HTTP: events and attributes; journeys where there is a key for them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from journey_pipeline.errors import PermanentVendorError, VendorError
from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.lists import pull_dimensions
from journey_pipeline.model import StreamKey
from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.options import SandboxOptions
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline.transport.retry import Limits, no_waiting
from journey_pipeline.vendors.insider.analytics import AnalyticsClient
from journey_pipeline.vendors.insider.client import InsiderClient
from journey_pipeline.vendors.insider.lists import ALL, pages
from journey_pipeline_tests.reading import SESSION

NOW = datetime(2026, 3, 8, 0, 30, tzinfo=UTC)
KEY = StreamKey("insider", "insider", "definitions")


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with serve(World(rows_per_hour=0, contacts=10), clock=SandboxClock.frozen(NOW)) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    running.faults.clear()
    running.calls.clear()
    running.options.change(SandboxOptions().model_dump_json().encode())
    for name, value in running.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("INSIDER_REQUESTS_PER_SECOND", "500")
    with no_waiting():
        yield running


def pulled(lake: Lake, at: datetime = NOW) -> dict[str, int]:
    with closing(InsiderClient("insider")) as client:
        analytics = AnalyticsClient.of("insider", Limits())
        return pull_dimensions(lake, KEY, pages(client, analytics), ALL, now=lambda: at)


def rows(lake: Lake, dimension: str, columns: str) -> list[tuple[Any, ...]]:
    path = str(lake.dimension_file("insider", dimension))
    return SESSION.execute(f"select {columns} from read_parquet(?) order by all", [path]).fetchall()


def test_journeys_campaigns_events_and_attributes_become_dimensions(sandbox: Sandbox, tmp_path: Path) -> None:
    lake, account = Lake(tmp_path), sandbox.insider.account
    pulled(lake)
    listed = account.journeys()
    journeys = rows(lake, "journeys", "vendor, journey_id, journey_name, status, definition_type")
    assert journeys == sorted(
        ("insider", str(one["journeyId"]), one["journeyName"], one["status"], "on-event") for one in listed
    )
    assert rows(lake, "activities", "activity_id, journey_id, activity_name, activity_type") == sorted(
        (str(sent["id"]), str(one["journeyId"]), sent["name"], sent["channel"])
        for one in listed
        for sent in one["campaigns"]
    )
    assert ("", "journey_enter", "Journey Enter") in rows(lake, "event_types", "section, type_id, event_name")
    fields = rows(lake, "profile_fields", "section, attribute_id, attribute_name, value_type")
    assert ("", "c_loyalty_tier", "Loyalty Tier", "string") in fields


def test_without_an_analytics_key_journeys_that_were_listed_before_stay(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = pulled(Lake(tmp_path))
    monkeypatch.delenv("INSIDER_ANALYTICS_KEY")
    assert pulled(Lake(tmp_path), NOW + timedelta(days=1)) == first
    assert first["journeys"] == len(rows(Lake(tmp_path), "journeys", "journey_id"))
    assert sandbox.calls.count("journeys") == 1
    nothing = Lake(tmp_path / "other")
    assert pulled(nothing) == {**first, "journeys": 0, "activities": 0}


def test_a_wrong_analytics_key_is_named_and_not_shown(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INSIDER_ANALYTICS_KEY", "hush-hush-wrong-4711")
    with pytest.raises(PermanentVendorError, match="INSIDER_ANALYTICS_KEY") as caught:
        pulled(Lake(tmp_path))
    assert "hush-hush" not in str(caught.value)
    assert sandbox.calls.count("journeys") == 1


@pytest.mark.parametrize("most", [3, 300])
def test_the_journey_list_is_read_page_by_page_to_its_end(sandbox: Sandbox, most: int) -> None:
    analytics = AnalyticsClient.of("insider", Limits())
    assert analytics is not None
    with closing(analytics):
        found = [one for page in analytics.journey_pages(most) for one in page]
    assert found == json.loads(json.dumps(sandbox.insider.account.journeys()))


@pytest.mark.parametrize("kind", ["500", "html_200", "json_200"])
def test_a_list_that_is_none_lands_nothing(sandbox: Sandbox, tmp_path: Path, kind: str) -> None:
    sandbox.faults.add(f"insider/journeys:{kind}")
    with pytest.raises(VendorError):
        pulled(Lake(tmp_path))
    assert not Lake(tmp_path).dimension_file("insider", "journeys").exists()
