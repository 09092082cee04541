"""What the UI says of the events' files is what stands in them."""

from __future__ import annotations

from journey_pipeline.components.recording import event_schema


def test_the_columns_of_the_events_asset_have_the_types_of_its_files() -> None:
    types = {column.name: column.type for column in event_schema().columns}
    assert types["event_key"] == types["properties"] == "VARCHAR"
    assert types["occurred_at"] == "TIMESTAMPTZ"
