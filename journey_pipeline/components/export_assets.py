"""The orders of a stream whose answers are exports: `requests/…` before `raw/…` and `events/…`.

A request is an order in the ledger; the landing takes what is ready. Not here: the step of landing and events
(`load_assets.py`), what polls and starts it (`export_sensor.py`), the work itself (`loading/`).
"""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from journey_pipeline.components.load_assets import LoadAssets
from journey_pipeline.components.partitions import key_of, window_of
from journey_pipeline.components.recording import life_of_order
from journey_pipeline.errors import JourneyError
from journey_pipeline.exports.export import Export
from journey_pipeline.loading.pull import refuse_expired
from journey_pipeline.model import Window

# Orders don't change data, so they must not mark landed partitions stale.
DATA_VERSION = "orders"


def lives(assets: LoadAssets, tree: Sequence[Export]) -> Iterator[dg.AssetMaterialization]:
    """How far an order has come, for each partition that it is for.

    Args:
        tree: The export at the top, and all that stand in for it.
    """
    life, tags = life_of_order(tree), {"dagster/data_version": DATA_VERSION}
    for window in tree[0].window.partitions(assets.stream.granularity):
        key = key_of(assets.partitions, window)
        yield dg.AssetMaterialization(assets.requests, partition=key, metadata=life, tags=tags)


def request_definitions(assets: LoadAssets) -> dg.Definitions:
    """The step that orders, and the job by which schedules start it."""
    job = dg.define_asset_job(
        assets.request_job_name,
        selection=dg.AssetSelection.assets(assets.requests),
        description=f"Orders exports of {assets.stream.key}.",
    )
    return dg.Definitions(assets=[_request(assets)], jobs=[job])


def _request(assets: LoadAssets) -> dg.AssetsDefinition:
    partitions = assets.partitions
    spec = assets.translator.spec(
        assets.told("requests"),
        description=f"{assets.title}: orders of exports, kept in the ledger of exports (`journey-pipeline exports`, "
        "`ops.exports`). The sensor polls them and starts the landing of ready ones.",
    )

    @dg.multi_asset(
        name=f"requests__{assets.op_name}",
        specs=[spec],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=assets.stream.key.connection,
    )
    def request(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        windows = [window_of(partitions, name) for name in context.partition_keys]
        for window, tree in _order(assets, windows):
            name = key_of(partitions, window)
            context.add_asset_metadata(life_of_order(tree), asset_key=assets.requests, partition_key=name)
            context.log.info("%s: %s", name, tree[0])
        return dg.MaterializeResult(data_version=dg.DataVersion(DATA_VERSION))

    return request


def _order(assets: LoadAssets, windows: Sequence[Window]) -> Iterator[tuple[Window, list[Export]]]:
    """Orders windows and asks the vendor as far as it lets us; gives each window's export with what stands in for it.

    Raises:
        dg.Failure: If an order can't be written down or, before anything is ordered, if a window is too old for one.
    """
    try:
        exports = assets.open_exports()
    except JourneyError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    with exports:
        try:
            for window in windows:
                refuse_expired(assets.stream, window, exports.queue.now())
            for _ in exports.want(assets.stream, windows):
                continue
            while exports.order_next():
                continue
        except JourneyError as error:
            raise dg.Failure(str(error)) from error
        for window in windows:
            export = exports.queue.current(assets.stream.key, window)
            assert export, window  # noqa: S101 - it was just ordered
            yield window, exports.queue.tree(export.root_id)
