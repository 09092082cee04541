"""Filters are pushed down in the vendor's words, and spare the columns that they fix."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from journey_pipeline.model import partition_window
from journey_pipeline.vendors.sfmc.journey_history.stream import Filters

HOUR = partition_window("2026-11-01T05")


def test_the_body_always_says_both_ends_in_utc() -> None:
    assert Filters().body(HOUR) == {"start": "2026-11-01T05:00:00Z", "end": "2026-11-01T06:00:00Z"}


def test_every_filter_is_sent_under_the_vendors_name() -> None:
    filters = Filters(
        contact_keys=["007"],
        activity_types=["emailv2"],
        definition_ids=["a"],
        statuses=["failed"],
        definition_instance_ids=["b"],
        activity_ids=["c"],
    )
    sent = set(filters.body(HOUR)) - {"start", "end"}
    assert sent == {"contactKeys", "activityTypes", "definitionIds", "statuses", "definitionInstanceIds", "activityIds"}


def test_a_filter_with_one_value_makes_its_column_constant() -> None:
    assert Filters(statuses=("failed",), definition_ids=("X",)).constants == {"Status": "Failed", "DefinitionId": "X"}


def test_a_filter_with_two_values_makes_nothing_constant() -> None:
    assert Filters(statuses=("failed", "complete")).constants == {}


def test_a_filter_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValidationError, match="status"):
        Filters.model_validate({"status": ["failed"]})
