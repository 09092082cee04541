"""What goes wrong at a vendor: it passes and the truth arrives, or it stays and nothing lands."""

from __future__ import annotations

import pytest

from journey_pipeline.errors import ContractError, PermanentVendorError, TransientVendorError
from journey_pipeline.transport.timeouts import Timeouts
from journey_pipeline.transport.waiting import Waits
from journey_pipeline_tests.contract.pipeline import Pipeline
from journey_pipeline_tests.contract.streams import (
    every_cut,
    every_route,
    every_stream,
    every_stream_with_a_key,
    every_stream_with_tokens,
)

DAMAGES = ("cut_gzip", "gzip_no_trailer", "gzip_bad_crc", "gzip_trailing")
SHORT_PATIENCE = Timeouts(idle_s=1)  # of a vendor who pauses for a minute

every_damage = pytest.mark.parametrize("damage", DAMAGES)


def arrives_on_try(pipeline: Pipeline, route: str, tries: int) -> None:
    """A window comes whole although the first tries at a route fail."""
    (window,) = pipeline.stream.windows(1)
    pipeline.arrive(window)
    assert len(pipeline.calls(route)) == tries
    assert pipeline.events() == pipeline.truth(window)


def arrives_once_the_vendor_is_well(pipeline: Pipeline) -> None:
    pipeline.sandbox.faults.clear()
    (window,) = pipeline.stream.windows(1)
    pipeline.arrive(window)
    assert pipeline.events() == pipeline.truth(window)


@every_route
def test_a_throttled_call_waits_as_long_as_it_is_told(pipeline: Pipeline, route: str, waits: Waits) -> None:
    pipeline.fault(f"{route}:429@1")
    arrives_on_try(pipeline, route, 2)
    assert list(waits) == [5.0]


@every_route
def test_a_throttled_call_that_is_told_nothing_waits_longer_each_time(
    pipeline: Pipeline, route: str, waits: Waits
) -> None:
    pipeline.fault(f"{route}:429_blocked@1-3")
    arrives_on_try(pipeline, route, 4)
    assert len(waits) == 3
    assert 0 < waits[0] <= waits[-1]


@every_route
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


@pytest.mark.parametrize("statuses", [("500", "502", "503"), ("504",)], ids=" ".join)
@every_route
def test_an_outage_that_passes_costs_tries_and_nothing_else(
    pipeline: Pipeline, route: str, statuses: tuple[str, ...]
) -> None:
    for number, status in enumerate(statuses, start=1):
        pipeline.fault(f"{route}:{status}@{number}")
    arrives_on_try(pipeline, route, len(statuses) + 1)


@pytest.mark.parametrize("kind", ["503", "reset", "refuse"])
@every_route
def test_an_outage_that_stays_lands_nothing_and_heals(pipeline: Pipeline, route: str, kind: str) -> None:
    pipeline.fault(f"{route}:{kind}")
    error = pipeline.be_refused()
    assert isinstance(error, TransientVendorError)
    assert (error.connection, error.status) == (pipeline.stream.key.connection, 503 if kind == "503" else None)
    assert "run it again later" in str(error)
    assert len(pipeline.calls(route)) == 4
    arrives_once_the_vendor_is_well(pipeline)


@pytest.mark.parametrize("kind", ["reset", "refuse"])
@every_route
def test_a_connection_that_ends_before_the_answer_is_tried_again(pipeline: Pipeline, route: str, kind: str) -> None:
    pipeline.fault(f"{route}:{kind}@1")
    arrives_on_try(pipeline, route, 2)


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
    pipeline.fault(f"{pipeline.stream.answer}:expire_token_now@1")
    arrives_on_try(pipeline, pipeline.stream.answer, 2)
    assert len(pipeline.calls(pipeline.stream.token)) == 2


@every_stream_with_tokens
def test_a_renewed_token_that_is_refused_too_is_the_last_however_many_windows_wait(
    pipeline: Pipeline, waits: Waits
) -> None:
    assert pipeline.stream.token
    pipeline.fault(f"{pipeline.stream.answer}:401")
    outcomes = pipeline.load(*pipeline.stream.windows(8))
    assert {type(outcome.error) for outcome in outcomes} == {PermanentVendorError}
    # What was under way at the same time has met the refusal too; nothing that came later has.
    assert 2 <= len(pipeline.calls(pipeline.stream.token)) < 8
    assert 2 <= len(pipeline.calls(pipeline.stream.answer)) < 8
    assert list(waits) == []
    arrives_once_the_vendor_is_well(pipeline)


@every_stream_with_a_key
def test_a_key_that_is_refused_is_not_sent_again_however_many_windows_wait(pipeline: Pipeline, waits: Waits) -> None:
    pipeline.fault(f"{pipeline.stream.answer}:401")
    outcomes = pipeline.load(*pipeline.stream.windows(3))
    assert {type(outcome.error) for outcome in outcomes} == {PermanentVendorError}
    assert (len(pipeline.calls(pipeline.stream.answer)), list(waits)) == (1, [])
    arrives_once_the_vendor_is_well(pipeline)


@pytest.mark.parametrize("promised", [False, True], ids=["chunked", "with Content-Length"])
@every_cut
def test_a_cut_body_is_never_a_landing_and_asked_for_again(pipeline: Pipeline, cut: str, promised: bool) -> None:
    if promised:
        pipeline.switch(pipeline.stream.promised_length)
    pipeline.fault(f"{pipeline.stream.answer}:{cut}@1")
    arrives_on_try(pipeline, pipeline.stream.answer, 2)


@every_damage
@every_stream
def test_a_damaged_gzip_is_never_a_landing_and_asked_for_again(pipeline: Pipeline, damage: str) -> None:
    pipeline.fault(f"{pipeline.stream.answer}:{damage}@1")
    arrives_on_try(pipeline, pipeline.stream.answer, 2)


@every_cut
def test_a_body_that_is_cut_each_time_lands_nothing_and_heals(pipeline: Pipeline, cut: str) -> None:
    pipeline.fault(f"{pipeline.stream.answer}:{cut}")
    assert isinstance(pipeline.be_refused(), TransientVendorError | ContractError)
    arrives_once_the_vendor_is_well(pipeline)


@every_damage
@every_stream
def test_a_gzip_that_is_damaged_each_time_lands_nothing_and_heals(pipeline: Pipeline, damage: str) -> None:
    pipeline.fault(f"{pipeline.stream.answer}:{damage}")
    assert isinstance(pipeline.be_refused(), TransientVendorError | ContractError)
    arrives_once_the_vendor_is_well(pipeline)


@every_stream
def test_a_body_that_stands_still_past_the_idle_timeout_is_asked_for_again(pipeline: Pipeline) -> None:
    pipeline.fault(f"{pipeline.stream.answer}:slow_body=60@1")
    (window,) = pipeline.stream.windows(1)
    pipeline.arrive(window, timeouts=SHORT_PATIENCE)
    first, *others = pipeline.calls(pipeline.stream.answer)
    assert first.fault == "slow_body"
    assert others
    assert pipeline.events() == pipeline.truth(window)


@pytest.mark.parametrize("page", ["html_200", "json_200"])
@every_route
def test_an_error_page_with_status_200_is_a_broken_contract_and_no_landing(
    pipeline: Pipeline, route: str, page: str
) -> None:
    pipeline.fault(f"{route}:{page}")
    error = pipeline.be_refused()
    assert isinstance(error, ContractError)
    assert error.status == 200
    assert len(pipeline.calls(route)) == 1
    arrives_once_the_vendor_is_well(pipeline)


@pytest.mark.parametrize("page", ["html_200", "json_200"])
@every_stream
def test_an_error_page_in_place_of_records_is_kept_as_evidence(pipeline: Pipeline, page: str) -> None:
    pipeline.fault(f"{pipeline.stream.answer}:{page}")
    error = pipeline.be_refused()
    assert isinstance(error, ContractError)
    (kept,) = pipeline.evidence()
    assert error.evidence == pipeline.lake.relative(kept)
    assert error.evidence in str(error)
