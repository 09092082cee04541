"""What the UI says of assets is true, and tells them apart."""

from __future__ import annotations

from collections import Counter

import pytest

from journey_pipeline.components.deployment import load_deployment
from journey_pipeline.components.recording import event_schema


def test_the_columns_of_the_events_asset_have_the_types_of_its_files() -> None:
    types = {column.name: column.type for column in event_schema().columns}
    assert types["event_key"] == types["properties"] == "VARCHAR"
    assert types["occurred_at"] == "TIMESTAMPTZ"


@pytest.mark.filterwarnings("ignore::dagster.BetaWarning")  # Dagster's own, of its checks
def test_nodes_of_the_graph_that_have_one_name_show_what_they_are() -> None:
    nodes = load_deployment().definitions.get_repository_def().asset_graph.asset_nodes
    shown = Counter((node.group_name, node.key.path[-1], frozenset(node.kinds)) for node in nodes)
    names = Counter((node.group_name, node.key.path[-1]) for node in nodes)
    assert names["sfmc", "journey_history"] == 3
    assert set(shown.values()) == {1}
