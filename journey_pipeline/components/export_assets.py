"""The orders of a stream whose answers are exports, `requests/…` before `raw/…`, and the schedules that order.

A request is an order in the ledger. Not here: what keeps orders moving (`export_sensor.py`), their checks
(`export_checks.py`), the step of landing and events (`load_assets.py`), the times of schedules (`schedules.py`).
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import dagster as dg

from journey_pipeline.components.export_checks import export_checks
from journey_pipeline.components.load_assets import LoadAssets, expired_since, first_try
from journey_pipeline.components.recording import ended, failure, life_of_order
from journey_pipeline.components.schedules import (
    GAPS,
    MOST_PARTITIONS,
    Ticks,
    key_at,
    request,
    run_over,
    schedule_of,
)
from journey_pipeline.components.translator import DOES, key_of, last_whole, window_of
from journey_pipeline.errors import JourneyError
from journey_pipeline.exports.export import ENDED, Export, State
from journey_pipeline.exports.queue import Queue
from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.plan import find_gaps
from journey_pipeline.model import Window, contiguous
from journey_pipeline.settings import home

# Orders don't change data, so they must not mark landed partitions stale.
DATA_VERSION = "orders"
SUNDAY = 7

Life = dg.AssetMaterialization | dg.AssetObservation


def lives(assets: LoadAssets, tree: Sequence[Export]) -> Iterator[Life]:
    """How far an order has come, for each of its partitions; `tree` is the order and all that stand in for it."""
    for window in tree[0].window.partitions(assets.stream.granularity):
        yield _life(assets, window, tree)


def _life(assets: LoadAssets, window: Window, tree: Sequence[Export]) -> Life:
    """The same for one partition: it is materialized, and so green, once something has landed."""
    key, life = key_of(assets.partitions, window), life_of_order(tree)
    if tree[0].state is not State.LANDED:
        return dg.AssetObservation(assets.requests, partition=key, metadata=life)
    tags = {"dagster/data_version": DATA_VERSION}
    return dg.AssetMaterialization(assets.requests, partition=key, metadata=life, tags=tags)


def ordered_definitions(assets: LoadAssets, most: int, ticks: Ticks) -> dg.Definitions:
    """Schedules that order the newest and the missing partitions of a stream. The connection's sensor starts loads."""
    return dg.Definitions.merge(
        request_definitions(assets),
        export_checks(assets, ticks),
        dg.Definitions(schedules=request_schedules(assets, ticks, most_partitions=most)),
    )


def request_definitions(assets: LoadAssets) -> dg.Definitions:
    """The step that orders, and the job by which schedules start it."""
    job = dg.define_asset_job(
        assets.request_job_name,
        selection=dg.AssetSelection.assets(assets.requests).without_checks(),
        description=f"Orders exports of {assets.stream.key}.",
        tags=assets.tags | {DOES: "request"},
    )
    return dg.Definitions(assets=[_request(assets)], jobs=[job])


def _request(assets: LoadAssets) -> dg.AssetsDefinition:
    partitions = assets.partitions
    spec = assets.translator.spec(
        assets.told("requests"),
        description=f"{assets.title}: orders of exports, kept in the ledger of exports (`journey-pipeline exports`, "
        "`ops.exports`). The sensor polls them and starts the landing of ready ones. An order shows as an observation "
        "until it has landed.",
    )

    @dg.multi_asset(
        name=f"requests__{assets.op_name}",
        specs=[spec],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=assets.stream.key.connection,
    )
    def request(context: dg.AssetExecutionContext) -> Iterator[Any]:
        asked_at = first_try(context)
        windows = []
        for name in context.partition_keys:
            if expired_since(asked_at, assets.stream, window := window_of(partitions, name)):
                context.log.warning("%s expired while the run waited", name)
            else:
                windows.append(window)
        for window, tree in _order(assets, windows):
            yield _life(assets, window, tree)
            context.log.info("%s: %s", key_of(partitions, window), tree[0])
        yield from ended(context, [assets.requests])

    return request


def _order(assets: LoadAssets, windows: Sequence[Window]) -> Iterator[tuple[Window, list[Export]]]:
    """Orders windows and asks the vendor as far as it allows; gives each window's export with what stands in for it."""
    try:
        exports = assets.open_exports()
    except JourneyError as error:
        raise failure(error) from None
    with exports:
        try:
            for window in windows:
                if assets.stream.is_expired(window, now := exports.queue.now()):
                    raise assets.stream.expiry(window, now)
            for _ in exports.want(assets.stream, windows):
                continue
            while not exports.fault and exports.order_next():
                continue
        except JourneyError as error:
            raise failure(error) from None
        if exports.fault:
            raise failure(exports.fault)
        for window in windows:
            export = exports.queue.current(assets.stream.key, window)
            assert export, window  # noqa: S101 - it was just ordered
            yield window, exports.queue.tree(export.root_id)


def request_schedules(assets: LoadAssets, ticks: Ticks, *, most_partitions: int) -> list[dg.ScheduleDefinition]:
    """Orders the newest day with the trailing ones, and what is missing; finishes what has landed."""
    key, job = assets.stream.key, assets.request_job_name
    newest = (
        f"Orders the newest day of {key}, and the {assets.stream.asked_again} days before it again, since events come "
        "late."
    )
    gaps = (
        f"Orders missing partitions of {key} that the vendor keeps and that are not ordered yet, oldest first, at most "
        f"{most_partitions} at a time."
    )

    @schedule_of(assets, "newest", assets.stream.ordered_at, ticks, newest, job_name=job)
    def order_newest(_context: dg.ScheduleEvaluationContext, now: datetime) -> dg.RunRequest | dg.SkipReason:
        last, stream = last_whole(assets.stream, now), assets.stream
        on_sundays = stream.asked_again_on_sundays if now.isoweekday() == SUNDAY else 0
        again = max(stream.asked_again, on_sundays) * stream.granularity.duration
        first = max(last.start - again, stream.start)
        if last.start < assets.stream.start:
            return dg.SkipReason(f"the first partition starts at {assets.stream.start:%Y-%m-%d %H:%M} UTC")
        windows = Window(first, last.end).partitions(assets.stream.granularity)
        return run_over(assets, windows, run_key=last.partition)

    @schedule_of(assets, "gaps", GAPS, ticks, gaps, job_name=job)
    def order_gaps(_context: dg.ScheduleEvaluationContext, now: datetime) -> Sequence[dg.RunRequest] | dg.SkipReason:
        found = find_gaps(Lake(home()), assets.stream, now)
        with assets.open_exports() as opened:
            under_way = {window for window in found.missing if _is_under_way(opened.queue, assets, window)}
        windows = [window for window in found.missing if window not in under_way][:most_partitions]
        if not windows:
            return dg.SkipReason(f"{len(found.missing)} partitions are missing, {len(under_way)} of them are under way")
        return [run_over(assets, run, run_key=key_at(run, now)) for run in contiguous(windows, MOST_PARTITIONS)]

    return [order_newest, order_gaps, _unfinished_schedule(assets, ticks)]


def _unfinished_schedule(assets: LoadAssets, ticks: Ticks) -> dg.ScheduleDefinition:
    """Makes the events of what has landed without them. The vendor is not asked: the landing has all that it takes."""
    does = (
        f"Makes events of landed partitions of {assets.stream.key} that have none, as after an upgrade or a killed run."
    )

    @schedule_of(assets, "unfinished", GAPS, ticks, does)
    def finish(_context: dg.ScheduleEvaluationContext, now: datetime) -> Sequence[dg.RunRequest] | dg.SkipReason:
        windows = find_gaps(Lake(home()), assets.stream, now).unfinished
        if not windows:
            return dg.SkipReason("each landed partition has events")
        return [request(assets, run, run_key=key_at(run, now)) for run in contiguous(windows, MOST_PARTITIONS)]

    return finish


def _is_under_way(queue: Queue, assets: LoadAssets, window: Window) -> bool:
    export = queue.current(assets.stream.key, window)
    return export is not None and export.state not in ENDED
