"""The assets of a stream whose exports are ordered: `requests/…` before `raw/…` and `events/…`.

A request is an order in the ledger; the landing takes what is ready. Not here: the step of landing and events
(`stream_assets.py`), what polls and starts it (`export_sensor.py`), the work itself (`loading/`).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import dagster as dg

from journey_pipeline.components.partitions import key_of, window_of
from journey_pipeline.components.recording import life_of_order
from journey_pipeline.components.stream_assets import Loading, Steps, StreamAssets
from journey_pipeline.errors import JourneyError
from journey_pipeline.exports.export import Export
from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.export_backfill import ExportBackfill
from journey_pipeline.loading.exports import Exports
from journey_pipeline.loading.pull import refuse_expired
from journey_pipeline.model import Window
from journey_pipeline.vendors.source import Estimate

# An order is no data: what has landed is not out of date because one is given or told of.
DATA_VERSION = "orders"


@dataclass(frozen=True, slots=True)
class ExportAssets(StreamAssets):
    """A stream of exports as Dagster assets.

    Attributes:
        open_exports: Opens the ledger and the connection's streams, when a run needs them.
        trailing_days: So many days before the newest one are ordered again with it, since events come late.
    """

    open_exports: Callable[[], Exports]
    trailing_days: int

    @property
    def requests(self) -> dg.AssetKey:
        """Key of the orders' asset."""
        return dg.AssetKey(["requests", self.stream.key.connection, self.stream.key.stream])

    def told(self, tree: Sequence[Export]) -> Iterator[dg.AssetMaterialization]:
        """How far an order has come, for each partition that it is for.

        Args:
            tree: The export at the top, and all that stand in for it.
        """
        life, tags = life_of_order(tree), {"dagster/data_version": DATA_VERSION}
        for window in tree[0].window.partitions(self.stream.granularity):
            key = key_of(self.partitions, window)
            yield dg.AssetMaterialization(self.requests, partition=key, metadata=life, tags=tags)

    @property
    def upstream(self) -> Sequence[dg.AssetKey]:
        """The orders come before the landing."""
        return (self.requests,)

    @property
    def request_job_name(self) -> str:
        """Name of the job by which schedules order."""
        return f"{self.op_name}_request"

    def estimates(self, windows: Sequence[Window]) -> list[Estimate]:  # noqa: ARG002 - there are none
        """None: nobody knows how much an export will hold."""
        return []

    def loading(
        self, lake: Lake, windows: Sequence[Window], *, steps: Steps, kept_since: datetime, waits: bool
    ) -> Loading:
        """Orders what nobody ordered, and lands what is ready."""
        return ExportBackfill(
            lake=lake,
            stream=self.stream,
            windows=windows,
            settings=self.settings,
            open_exports=self.open_exports,
            pull=steps.pull,
            normalize=steps.normalize,
            kept_since=kept_since,
            waits=waits,
        )

    def definitions(self) -> dg.Definitions:
        """The steps, and the job by which schedules order; the sensor brings the job that it starts a load by."""
        job = dg.define_asset_job(
            self.request_job_name,
            selection=dg.AssetSelection.assets(self.requests),
            description=f"Orders exports of {self.stream.key}.",
        )
        return dg.Definitions(assets=[self.definition(), self._request()], jobs=[job])

    def _request(self) -> dg.AssetsDefinition:
        partitions = self.partitions
        key = self.stream.key

        @dg.asset(
            key=self.requests,
            partitions_def=partitions,
            backfill_policy=dg.BackfillPolicy.single_run(),
            group_name=key.connection,
            kinds=set(self.kinds),
            owners=list(self.owners),
            pool=key.connection,
            description=f"{self.title}: orders of exports, kept in the ledger of exports (`journey-pipeline exports`, "
            "`ops.exports`). The sensor polls them and starts the landing of what is ready.",
        )
        def request(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
            windows = [window_of(partitions, name) for name in context.partition_keys]
            for window, tree in _order(self, windows):
                name = key_of(partitions, window)
                context.add_asset_metadata(life_of_order(tree), asset_key=self.requests, partition_key=name)
                context.log.info("%s: %s", name, tree[0])
            return dg.MaterializeResult(data_version=dg.DataVersion(DATA_VERSION))

        return request


def _order(assets: ExportAssets, windows: Sequence[Window]) -> Iterator[tuple[Window, list[Export]]]:
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
