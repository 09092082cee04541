"""Answers of LayerFive compared with the one before, over HTTP: narrow accounts, fields that change their names."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.claims import Claim, Severity
from journey_pipeline.loading.load import LoadAtOnce
from journey_pipeline.loading.partition import LoadSettings
from journey_pipeline.model import Granularity, Window
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline.transport.retry import Limits
from journey_pipeline.vendors.layerfive.client import LayerFiveClient
from journey_pipeline.vendors.layerfive.customer_journeys.stream import CustomerJourneys, customer_journeys_stream
from journey_pipeline_tests.integration.truth import TODAY

pytestmark = pytest.mark.slow(reason="days of many people are loaded in each test")

DAY = timedelta(days=1)
FIRST, SECOND = Window(TODAY - 40 * DAY, TODAY - 38 * DAY).partitions(Granularity.DAY)


@pytest.fixture
def sandbox(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    contacts = getattr(request, "param", 500)
    with serve(World(touchpoints_per_day=contacts * 3 // 5, contacts=contacts)) as running:
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        yield running


def load(
    home: Path, sandbox: Sandbox, day: Window, *, overlap_days: int = 1, asked_after: timedelta = 2 * DAY
) -> dict[str, Claim]:
    """Asks for a day, two days after its end unless told otherwise."""
    sandbox.clock.freeze(day.end + asked_after)
    stream = customer_journeys_stream("layerfive", TODAY - 100 * DAY, overlap_days=overlap_days)
    client = LayerFiveClient("layerfive", limits=Limits(requests_per_s=1000, concurrency=1))
    (outcome,) = LoadAtOnce(
        lake=Lake(home),
        stream=stream,
        windows=[day],
        settings=LoadSettings(),
        open=lambda: CustomerJourneys(client, stream, overlap_days=overlap_days),
        kept_since=None,
        now=lambda: day.end + asked_after,
    ).outcomes()
    if outcome.error:
        raise outcome.error
    return {claim.name: claim for claim in outcome.claims}


@pytest.mark.parametrize("sandbox", [2500], indirect=True)
def test_an_account_that_answers_for_new_people_alone_is_called_narrow_and_heals_as_it_is_told(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.options.layerfive.narrow = True
    for day in (FIRST, SECOND):
        told = load(tmp_path, sandbox, day, overlap_days=0, asked_after=30 * DAY)["earlier_answer_is_repeated"]
    assert not told.holds
    assert "set `overlap_days: 89` in defs.yaml" in told.says
    assert load(tmp_path, sandbox, SECOND, overlap_days=89, asked_after=30 * DAY)["earlier_answer_is_repeated"].holds


def test_an_account_that_answers_for_all_people_is_not_called_narrow(sandbox: Sandbox, tmp_path: Path) -> None:
    load(tmp_path, sandbox, FIRST)
    sandbox.options.layerfive.taken_back_after_h = 1.0
    told = load(tmp_path, sandbox, SECOND)["earlier_answer_is_repeated"]
    assert not told.holds
    assert "narrow" not in told.says


def test_a_field_that_is_called_otherwise_than_in_the_answer_before_is_told_with_what_to_declare(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    assert load(tmp_path, sandbox, FIRST)["columns_are_read_alike"].holds
    sandbox.options.layerfive.field_names = {"individual_id": "person_id"}
    told = load(tmp_path, sandbox, SECOND)["columns_are_read_alike"]
    assert not told.holds
    assert "contact_id is read from person_id, before from individual_id" in told.says
    assert "`fields: {contact_id: individual_id}`" in told.says


def test_what_an_answer_asked_again_lacks_is_withdrawn_unless_it_has_aged_out(sandbox: Sandbox, tmp_path: Path) -> None:
    load(tmp_path, sandbox, FIRST)
    later = load(tmp_path, sandbox, FIRST, asked_after=9 * DAY)["no_row_is_lost"]
    assert later.holds, later.says
    sandbox.options.layerfive.taken_back_after_h = 1.0
    told = load(tmp_path, sandbox, FIRST)["no_row_is_lost"]
    assert (told.holds, told.severity) == (False, Severity.WARN)
    assert "the vendor's newest answer lacks" in told.says
