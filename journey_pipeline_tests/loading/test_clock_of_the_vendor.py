"""Answers without an end go up to the vendor's present, whatever this machine's clock says of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import Attempt
from journey_pipeline.loading.claims import Claim
from journey_pipeline.loading.load import LoadAtOnce
from journey_pipeline.loading.partition import LoadSettings
from journey_pipeline.model import Window, iso
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline.transport.retry import Limits
from journey_pipeline.vendors.layerfive.client import ROUTE, LayerFiveClient
from journey_pipeline.vendors.layerfive.customer_journeys.stream import (
    REACH,
    CustomerJourneys,
    customer_journeys_stream,
)
from journey_pipeline_tests.integration.truth import TODAY
from journey_pipeline_tests.transport.flaky_server import FlakyServer, answer
from journey_pipeline_tests.vendors.made_journeys import answer as body_of
from journey_pipeline_tests.vendors.made_journeys import record

DAY = timedelta(days=1)
WINDOW = Window(TODAY - 40 * DAY, TODAY - 39 * DAY)
ASKED_AT = WINDOW.end + 2 * DAY
BEHIND = timedelta(hours=20)


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with serve(World(touchpoints_per_day=300, contacts=500)) as running:
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FlakyServer]:
    server = FlakyServer()
    monkeypatch.setenv("LAYERFIVE_URL", server.url)
    monkeypatch.setenv("LAYERFIVE_API_KEY", "a-key")
    yield server
    server.close()


def http(at: datetime) -> str:
    return format_datetime(at, usegmt=True)


def load(home: Path, now: datetime) -> tuple[Attempt, dict[str, Claim]]:
    """Asks for the day when this machine's clock says so."""
    stream = customer_journeys_stream("layerfive", TODAY - 100 * DAY)
    client = LayerFiveClient("layerfive", limits=Limits(requests_per_s=1000, concurrency=1))
    (outcome,) = LoadAtOnce(
        lake=Lake(home),
        stream=stream,
        windows=[WINDOW],
        settings=LoadSettings(),
        open=lambda: CustomerJourneys(client, stream),
        kept_since=None,
        now=lambda: now,
    ).outcomes()
    if outcome.error:
        raise outcome.error
    assert outcome.landing is not None
    return outcome.landing.attempts[-1], {claim.name: claim for claim in outcome.claims}


def test_a_machine_whose_clock_is_behind_takes_no_event_of_the_vendors_present_for_one_outside(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.clock.freeze(ASKED_AT)
    attempt, told = load(tmp_path, ASKED_AT - BEHIND)
    assert (attempt.landed_at, attempt.dated) == (ASKED_AT - BEHIND, ASKED_AT)
    assert told["events_are_inside_window"].holds, told["events_are_inside_window"].says


def test_a_machine_whose_clock_is_behind_takes_nothing_that_aged_out_for_withdrawn(
    server: FlakyServer, tmp_path: Path
) -> None:
    asked_again_at = ASKED_AT + 7 * DAY
    end_of_reach = asked_again_at - REACH
    aged, kept = (record(event_time=iso(end_of_reach + by)) for by in (-BEHIND / 2, BEHIND))
    server.on(ROUTE, answer(body=body_of(aged, kept), Date=http(ASKED_AT)))
    load(tmp_path, ASKED_AT)
    server.on(ROUTE, answer(body=body_of(kept), Date=http(asked_again_at)))
    assert load(tmp_path, asked_again_at - BEHIND)[1]["no_row_is_lost"].facts["withdrawn"] == 0
    server.on(ROUTE, answer(body=body_of(), Date=http(asked_again_at)))
    assert load(tmp_path, asked_again_at - BEHIND)[1]["no_row_is_lost"].facts["withdrawn"] == 1


@pytest.mark.parametrize(
    ("date", "kept"),
    [
        (http(ASKED_AT + BEHIND), ASKED_AT + BEHIND),
        (http(ASKED_AT - BEHIND), ASKED_AT - BEHIND),
        (http(ASKED_AT + 2 * DAY), None),
        ("Fri, 31 Dec 9999 23:59:59 -2300", None),
        ("Mon, 01 Jan 0001 00:00:00 +2300", None),
        ("Fri, 31 Dec 99999999999999999999 23:59:59 GMT", None),
        ("Fri, 20 Nov 2026 20:00:00 +99999999999999999999", None),
        ("yesterday, I think", None),
        ("", None),
        (None, None),
    ],
)
def test_a_date_beyond_belief_is_no_date_and_breaks_no_load(
    server: FlakyServer, tmp_path: Path, date: str | None, kept: datetime | None
) -> None:
    happened_at = ASKED_AT + timedelta(hours=1)
    server.on(
        ROUTE, answer(body=body_of(record(event_time=iso(happened_at))), **({} if date is None else {"Date": date}))
    )
    attempt, told = load(tmp_path, ASKED_AT)
    assert attempt.dated == kept
    assert told["events_are_inside_window"].holds is (kept is not None and kept > happened_at)


def test_an_attempt_of_an_earlier_version_tells_up_to_when_it_landed() -> None:
    earlier = {"attempt": "a", "started_at": ASKED_AT, "landed_at": ASKED_AT, "package_version": "0"}
    assert Attempt.model_validate(earlier).answered_by == ASKED_AT + timedelta(minutes=5)
