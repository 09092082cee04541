"""What goes wrong at a vendor: it passes and the truth arrives, or it stays and nothing lands."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise

import pytest

from journey_pipeline.errors import ContractError, PermanentVendorError, TransientVendorError
from journey_pipeline.transport.retry import Timeouts, Waits
from journey_pipeline_tests.contract.pipeline import Pipeline
from journey_pipeline_tests.contract.streams import (
    every_route,
    every_route_that_hands_up,
    every_route_that_waits,
    every_stream,
    every_stream_with_a_key,
    every_stream_with_tokens,
    every_three_breaks,
)

pytestmark = pytest.mark.slow(reason="each fault at each route of each stream, from HTTP to events")

MANY = 60  # answers; no load asks for as many
SHORT_PATIENCE = Timeouts(idle_s=1)  # of a vendor who pauses for a minute


def arrives_on_try(pipeline: Pipeline, route: str, tries: int) -> None:
    """A window comes whole although the first tries at a route fail, and costs no call more than those."""
    (window,) = pipeline.stream.windows(1)
    pipeline.arrive(window)
    assert len(pipeline.calls(route)) == tries - 1 + pipeline.stream.calls.get(route, 1)
    assert pipeline.events() == pipeline.truth(window)


def arrives_once_the_vendor_is_well(pipeline: Pipeline, windows: int = 1) -> None:
    pipeline.sandbox.faults.clear()
    asked = pipeline.stream.windows(windows)
    pipeline.arrive(*asked)
    assert pipeline.events() == pipeline.truth(*asked)


def waits_for(pipeline: Pipeline, route: str, failures: int) -> int:
    """How many waits there are between so many failures in a row: none after the last try of a call."""
    return failures - failures // pipeline.stream.tries.get(route, 4)


def times_between(pipeline: Pipeline, route: str) -> list[timedelta]:
    """What passed after each call of a route that failed until the next one, of those like the first.

    On the vendor's clock, which stands still while a call is tried in a row.
    """
    first, *others = pipeline.calls(route)
    alike = [first, *(call for call in others if (call.path, call.body) == (first.path, first.body))]
    return [later.at - earlier.at for earlier, later in pairwise(alike) if earlier.fault]


@every_route
def test_a_throttled_call_waits_as_long_as_it_is_told_and_longer_each_time_where_it_is_told_nothing(
    pipeline: Pipeline, route: str, waits: Waits
) -> None:
    pipeline.fault(f"{route}:429@1")
    pipeline.fault(f"{route}:429_blocked@2-3")
    arrives_on_try(pipeline, route, 4)
    assert len(waits) == waits_for(pipeline, route, 3)
    between = times_between(pipeline, route)
    if len(waits) == 3:
        told, *others = waits
        assert told == 5
        assert 0 < others[0] <= others[1]
    else:
        assert between[0] >= timedelta(seconds=5)
        assert between[:3].count(timedelta(0)) == len(waits)


@every_route_that_hands_up
def test_a_call_that_is_told_to_wait_too_long_is_handed_up_at_once(
    pipeline: Pipeline, route: str, waits: Waits
) -> None:
    pipeline.fault(f"{route}:429_long")
    error = pipeline.be_refused()
    assert isinstance(error, TransientVendorError)
    assert (error.status, error.retry_after_s) == (429, 3600)
    assert "asks to wait 3600 s" in str(error)
    assert (len(pipeline.calls(route)), list(waits)) == (1, [])
    arrives_once_the_vendor_is_well(pipeline)


@every_route_that_waits
def test_a_call_that_is_told_to_wait_long_is_made_again_after_that(
    pipeline: Pipeline, route: str, waits: Waits
) -> None:
    pipeline.fault(f"{route}:429_long@1")
    arrives_on_try(pipeline, route, 2)
    assert list(waits) == []
    assert times_between(pipeline, route)[0] >= timedelta(seconds=3600)


@pytest.mark.parametrize("kinds", [("500", "502", "503"), ("504", "reset", "refuse")], ids=" ".join)
@every_route
def test_an_outage_or_a_lost_connection_that_passes_costs_tries_and_nothing_else(
    pipeline: Pipeline, route: str, kinds: tuple[str, ...]
) -> None:
    for number, kind in enumerate(kinds, start=1):
        pipeline.fault(f"{route}:{kind}@{number}")
    arrives_on_try(pipeline, route, len(kinds) + 1)


@every_route
def test_an_outage_that_stays_lands_nothing_and_heals(pipeline: Pipeline, route: str) -> None:
    in_a_row = pipeline.stream.tries.get(route, 4)
    for kind in (pipeline.stream.outages.get(route, "503"), "reset", "refuse"):
        pipeline.only_fault(f"{route}:{kind}")
        error = pipeline.be_refused()
        assert isinstance(error, TransientVendorError)
        status = int(kind) if kind.isdigit() else None
        assert (error.connection, error.status) == (pipeline.stream.key.connection, status)
        assert "run it again later" in str(error)
        if route in pipeline.stream.patient:
            assert len(pipeline.calls(route)) > in_a_row
            assert all(times_between(pipeline, route)[in_a_row - 1 :: in_a_row])
        else:
            assert len(pipeline.calls(route)) == in_a_row
    arrives_once_the_vendor_is_well(pipeline)


@every_stream
def test_refused_credentials_are_sent_once_however_many_windows_wait(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(pipeline.stream.secret_variable, "hush-hush-wrong-4711")
    outcomes = pipeline.load(*pipeline.stream.windows(3))
    for outcome in outcomes:
        assert isinstance(outcome.error, PermanentVendorError)
        assert pipeline.stream.secret_variable in str(outcome.error)
        assert "hush-hush-wrong-4711" not in str(outcome.error)
    assert [call.status for call in pipeline.sandbox.calls] == [401]
    assert pipeline.landed() == []


@every_stream_with_tokens
def test_a_token_that_ends_early_is_renewed_once(pipeline: Pipeline) -> None:
    assert pipeline.stream.token
    authorized = pipeline.stream.authorized or pipeline.stream.answer
    pipeline.fault(f"{authorized}:expire_token_now@1")
    arrives_on_try(pipeline, authorized, 2)
    assert len(pipeline.calls(pipeline.stream.token)) == 2


@every_stream_with_tokens
def test_a_renewed_token_that_is_refused_too_is_the_last_however_many_windows_wait(
    pipeline: Pipeline, waits: Waits
) -> None:
    assert pipeline.stream.token
    authorized = pipeline.stream.authorized or pipeline.stream.answer
    pipeline.fault(f"{authorized}:401")
    outcomes = pipeline.load(*pipeline.stream.windows(8))
    assert {type(outcome.error) for outcome in outcomes} == {PermanentVendorError}
    # What was under way at the same time has met the refusal too; nothing that came later has.
    assert 2 <= len(pipeline.calls(pipeline.stream.token)) < 8
    assert 2 <= len(pipeline.calls(authorized)) < 8
    assert list(waits) == []
    arrives_once_the_vendor_is_well(pipeline, windows=8)


@every_stream_with_a_key
def test_a_key_that_is_refused_is_not_sent_again_however_many_windows_wait(pipeline: Pipeline, waits: Waits) -> None:
    authorized = pipeline.stream.authorized or pipeline.stream.answer
    pipeline.fault(f"{authorized}:401")
    outcomes = pipeline.load(*pipeline.stream.windows(3))
    assert {type(outcome.error) for outcome in outcomes} == {PermanentVendorError}
    assert (len(pipeline.calls(authorized)), list(waits)) == (1, [])
    arrives_once_the_vendor_is_well(pipeline, windows=3)


@every_three_breaks
def test_a_broken_body_is_never_a_landing_and_asked_for_again(
    pipeline: Pipeline, breaks: Sequence[str], promised: bool
) -> None:
    if promised:
        pipeline.switch(pipeline.stream.promised_length)
    for number, kind in enumerate(breaks):
        pipeline.fault(f"{pipeline.stream.answer}:{kind}@{pipeline.stream.answered_at + number}")
    arrives_on_try(pipeline, pipeline.stream.answer, len(breaks) + 1)


@pytest.mark.parametrize("alike", [True, False], ids=["in one way", "in another way each time"])
@every_stream
def test_a_body_that_is_broken_each_time_lands_nothing_and_heals(pipeline: Pipeline, alike: bool) -> None:
    kinds = pipeline.stream.cuts[:1] if alike else pipeline.stream.breaks
    for number in range(MANY):
        pipeline.fault(f"{pipeline.stream.answer}:{kinds[number % len(kinds)]}@{pipeline.stream.answered_at + number}")
    assert isinstance(pipeline.be_refused(), TransientVendorError | ContractError)
    assert len(pipeline.calls(pipeline.stream.answer)) < MANY
    arrives_once_the_vendor_is_well(pipeline)


@every_stream
def test_a_body_that_stands_still_past_the_idle_timeout_is_asked_for_again(pipeline: Pipeline) -> None:
    pipeline.spoil("slow_body=60", times=1)
    (window,) = pipeline.stream.windows(1)
    pipeline.arrive(window, timeouts=SHORT_PATIENCE)
    first, *others = pipeline.calls(pipeline.stream.answer)[pipeline.stream.answered_at - 1 :]
    assert first.fault == "slow_body"
    assert others
    assert pipeline.events() == pipeline.truth(window)


@every_route
def test_an_error_page_with_status_200_is_a_broken_contract_and_no_landing_but_evidence_where_records_should_be(
    pipeline: Pipeline, route: str
) -> None:
    kept: set[str] = set()
    for page in ("html_200", "json_200"):
        pipeline.only_fault(f"{route}:{page}")
        error = pipeline.be_refused()
        if route in pipeline.stream.silent:
            assert isinstance(error, TransientVendorError)
        else:
            assert isinstance(error, ContractError)
            assert error.status == 200
        if route not in pipeline.stream.patient:
            assert len(pipeline.calls(route)) == 1
        elif route != pipeline.stream.answer:
            assert all(times_between(pipeline, route))
        if route == pipeline.stream.answer:
            fresh = {pipeline.lake.relative(path) for path in pipeline.evidence()} - kept
            assert kept or len(fresh) == pipeline.stream.attempts  # a ledger asks less often once exports were broken
            assert error.evidence == max(fresh)
            assert error.evidence in str(error)
            kept |= fresh
    arrives_once_the_vendor_is_well(pipeline)
