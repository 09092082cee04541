"""What streams differ in is data that plans and claims are reckoned from, whatever kind of stream it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from benchmarks.structure import kind_questions
from journey_pipeline.loading.checks import CLAIMS, claims_of
from journey_pipeline.loading.plan import loads, requests_for
from journey_pipeline.model import Window
from journey_pipeline.vendors.apsis.email_events.stream import email_events_stream
from journey_pipeline.vendors.layerfive.customer_journeys.stream import customer_journeys_stream
from journey_pipeline.vendors.sfmc.journey_history.stream import journey_history_stream
from journey_pipeline.vendors.source import Reach, Stream

START = datetime(2026, 11, 1, tzinfo=UTC)
HOURS = journey_history_stream("sfmc", START)
DELTAS = customer_journeys_stream("layerfive", START)
EXPORTS = email_events_stream("apsis", START)


def windows(stream: Stream, *numbers: int) -> list[Window]:
    length = stream.granularity.duration
    return [Window(START + n * length, START + (n + 1) * length) for n in numbers]


@pytest.mark.parametrize(
    ("stream", "sizes"),
    [
        pytest.param(HOURS, [2, 1, 2], id="hours: in a row, as many as are allowed"),
        pytest.param(DELTAS, [5], id="deltas: all from one answer, gaps or not"),
        pytest.param(EXPORTS, [3, 2], id="exports: in a row, as many as one answer holds"),
    ],
)
def test_partitions_are_loaded_in_the_lists_that_their_answers_allow(stream: Stream, sizes: list[int]) -> None:
    assert [len(run) for run in loads(stream, windows(stream, 4, 0, 1, 2, 5), at_most=2)] == sizes


@pytest.mark.parametrize(("stream", "of_62"), [(HOURS, 124), (DELTAS, 1), (EXPORTS, 10)])
def test_requests_are_reckoned_from_what_one_answer_holds(stream: Stream, of_62: int) -> None:
    assert [requests_for(stream, partitions) for partitions in (0, 62)] == [0, of_62]


def test_an_answer_reaches_as_far_as_its_stream_says() -> None:
    asked, answered = START, START + timedelta(days=3)
    assert HOURS.reach.until(asked, answered) == EXPORTS.reach.until(asked, answered) == asked
    assert DELTAS.reach.until(asked, answered) == answered
    assert DELTAS.reach.until(answered, asked) == answered
    assert HOURS.reach.repeated_from(asked, answered) is None
    assert DELTAS.reach.repeated_from(asked, answered) == answered - timedelta(days=90)
    assert str(Reach()) == ""


def test_a_stream_names_what_is_claimed_of_it_besides() -> None:
    assert list(claims_of(HOURS)) == list(claims_of(EXPORTS)) == list(CLAIMS)
    assert list(claims_of(DELTAS)) == [*CLAIMS, "earlier_answer_is_repeated", "columns_are_read_alike"]


def test_only_vendors_ask_what_kind_a_stream_is() -> None:
    assert kind_questions() == []
