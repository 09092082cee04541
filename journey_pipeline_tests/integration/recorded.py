"""What Dagster's history holds of single partitions."""

from __future__ import annotations

from typing import Any

import dagster as dg

from journey_pipeline.components.load_assets import LoadAssets
from journey_pipeline.components.runs import Runner
from journey_pipeline.loading.checks import claims_of


def checks(runner: Runner, assets: LoadAssets, partition: str) -> dict[str, Any]:
    """The latest evaluation of each check for one of Dagster's partition keys."""
    found = {}
    for name in claims_of(assets.stream):
        key = dg.AssetCheckKey(assets.events, name)
        for record in runner.instance.event_log_storage.get_asset_check_execution_history(key, limit=100):
            event = record.event and record.event.dagster_event
            if event and event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
                evaluation = event.asset_check_evaluation_data
                if evaluation.partition == partition:
                    found.setdefault(name, evaluation)
    return found


def materialization(runner: Runner, asset: dg.AssetKey, partition: str) -> dict[str, Any]:
    records = runner.instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=asset, asset_partitions=[partition]), limit=1
    ).records
    (record,) = records
    event = record.asset_materialization
    assert event is not None
    return dict(event.metadata)


def observation(runner: Runner, asset: dg.AssetKey, partition: str) -> dict[str, Any]:
    """The newest observation of a partition that was never materialized."""
    wanted = dg.AssetRecordsFilter(asset_key=asset, asset_partitions=[partition])
    assert not runner.instance.fetch_materializations(wanted, limit=1).records
    record = runner.instance.fetch_observations(wanted, limit=1).records[0]
    assert record.asset_observation is not None
    return dict(record.asset_observation.metadata)


def data_versions(runner: Runner, asset: dg.AssetKey, partition: str) -> list[str | None]:
    """Of every materialization of one of Dagster's partitions."""
    wanted = dg.AssetRecordsFilter(asset_key=asset, asset_partitions=[partition])
    found = runner.instance.fetch_materializations(wanted, limit=100).records
    return [(record.event_log_entry.tags or {}).get("dagster/data_version") for record in found]
