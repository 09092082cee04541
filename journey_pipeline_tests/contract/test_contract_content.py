"""What a record may hold: fields that nobody knows, and any text at all."""

from __future__ import annotations

import unicodedata

import pytest

from journey_pipeline.loading.claims import Severity, Tolerance
from journey_pipeline.loading.partition import LoadSettings
from journey_pipeline_tests.contract.pipeline import Pipeline
from journey_pipeline_tests.contract.streams import every_stream

pytestmark = pytest.mark.slow(reason="each stream goes from HTTP to the warehouse")


@every_stream
def test_a_field_that_nobody_knows_is_kept_and_changes_nothing_else(pipeline: Pipeline) -> None:
    windows = pipeline.stream.windows(1)
    pipeline.switch(pipeline.stream.unknown_field)
    pipeline.arrive(*windows)
    assert pipeline.events() == pipeline.truth(*windows)
    kept = pipeline.events(f"(properties ->> '$.{pipeline.stream.unknown_name}') is not null")
    assert kept == {(True,): pipeline.truth(*windows).total()}


@every_stream
def test_a_changed_schema_is_reported_by_the_name_of_the_new_field_as_strictly_as_configured(
    pipeline: Pipeline,
) -> None:
    pipeline.switch(pipeline.stream.unknown_field)
    settings = LoadSettings(tolerance=Tolerance(new_column="stop"))  # what others mean: `loading/test_claims.py`
    (outcome,) = pipeline.arrive(*pipeline.stream.windows(1), settings=settings)
    (claim,) = [claim for claim in outcome.claims if not claim.holds]
    assert (claim.name, claim.severity) == ("schema_is_known", Severity.ERROR)
    assert claim.facts["unknown_columns"] == pipeline.stream.unknown_name
    assert f"unknown columns: {pipeline.stream.unknown_name}" in claim.says


@every_stream
def test_odd_text_comes_back_exactly(pipeline: Pipeline) -> None:
    windows = pipeline.stream.windows(2)
    pipeline.switch(pipeline.stream.odd_text)
    pipeline.arrive(*windows)
    truth = pipeline.truth(*windows)
    texts = {text for row in truth for text in row}
    written = {char for text in texts for char in text[:1000]}
    assert written >= set('"\n\r\0\\')
    assert "AL" in map(unicodedata.bidirectional, written)
    assert max(written) > "\uffff"
    assert max(len(text.encode()) for text in texts) >= 1_000_000
    assert pipeline.events() == truth
    assert pipeline.warehouse() == truth
