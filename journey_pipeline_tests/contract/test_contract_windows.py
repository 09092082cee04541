"""What a window brings: all of it, nothing, the records at its edges, and the same again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

from journey_pipeline.loading.claims import Severity
from journey_pipeline.model import iso
from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline_tests.contract.declaration import DAY_EDGE, MONTH_EDGE, NOW, Rows
from journey_pipeline_tests.contract.pipeline import Pipeline
from journey_pipeline_tests.contract.streams import every_stream

pytestmark = pytest.mark.slow(reason="a warehouse is made for each stream and test")


@pytest.fixture(scope="module")
def quiet() -> Iterator[Sandbox]:
    """A vendor to whom nothing happened."""
    with serve(World(rows_per_hour=0, touchpoints_per_day=0), clock=SandboxClock.frozen(NOW)) as sandbox:
        yield sandbox


@every_stream
def test_full_windows_arrive_whole_with_all_their_claims_and_one_that_is_asked_for_again_gives_the_same_events(
    pipeline: Pipeline,
) -> None:
    windows = pipeline.stream.windows(3)
    outcomes = pipeline.arrive(*windows)
    assert [outcome.window for outcome in outcomes] == list(windows)
    assert [claim for outcome in outcomes for claim in outcome.claims if not claim.holds] == []
    assert pipeline.truth(*windows).total() > 100
    pipeline.sandbox.calls.clear()
    pipeline.arrive(*windows, again=False)
    assert len(pipeline.calls(pipeline.stream.answer)) == 0
    assert pipeline.events() == pipeline.truth(*windows)
    columns = f"event_key::varchar, {pipeline.stream.columns}"
    first = pipeline.warehouse(columns)
    assert set(first.values()) == {1}
    assert Counter(row[1:] for row in first) == pipeline.truth(*windows)
    pipeline.arrive(windows[0])
    assert len(pipeline.calls(pipeline.stream.answer)) == pipeline.stream.calls.get(pipeline.stream.answer, 1)
    assert pipeline.warehouse(columns) == first == pipeline.events(columns)


@every_stream
def test_an_empty_window_lands_and_holds_nothing(
    pipeline: Pipeline, quiet: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = replace(pipeline, sandbox=quiet)
    pipeline.switch(pipeline.stream.options)
    for name, value in quiet.environment().items():
        monkeypatch.setenv(name, value)
    windows = pipeline.stream.windows(1)
    (outcome,) = pipeline.arrive(*windows)
    broken = [(claim.name, claim.severity) for claim in outcome.claims if not claim.holds]
    assert broken == [(name, Severity.WARN) for name in pipeline.stream.if_empty]
    assert pipeline.lake.landing_manifest(pipeline.stream.key, windows[0].partition).exists()
    assert pipeline.events().total() == 0


@every_stream
def test_windows_on_both_sides_of_an_edge_of_day_and_month_bring_each_record_once(pipeline: Pipeline) -> None:
    pipeline.switch(pipeline.stream.at_edge)
    truth: Rows = Counter()
    for window in sorted({*pipeline.stream.around(DAY_EDGE), *pipeline.stream.around(MONTH_EDGE)}):
        pipeline.arrive(window)
        truth |= pipeline.truth(window)
        assert pipeline.events() == truth
    assert pipeline.warehouse() == truth
    times = pipeline.warehouse(f"strftime({pipeline.stream.edge_time}, '%Y-%m-%dT%H:%M:%SZ')")
    assert times[(iso(DAY_EDGE),)] > 0
    assert times[(iso(MONTH_EDGE),)] > 0
