"""The orders of a stream whose answers are exports, `requests/…` before `raw/…`, and what keeps them moving.

A request is an order in the ledger. One sensor for a connection orders, polls and starts the landing of what is ready:
a tick has a time budget, and an export that is broken stops none of the others. Not here: the step of landing and
events (`load_assets.py`), when orders are made (`schedules.py`), single steps (`loading/exports.py`).
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import dagster as dg

from journey_pipeline.components.load_assets import LoadAssets
from journey_pipeline.components.recording import ended, failure, life_of_order
from journey_pipeline.components.schedules import (
    EXPORTS,
    GAPS,
    MOST_PARTITIONS,
    Ticks,
    daily,
    key_at,
    request,
    run_over,
    schedule_of,
    sensor_of,
)
from journey_pipeline.components.standing_checks import standing_check
from journey_pipeline.components.translator import key_of, last_whole, tags_of, window_of
from journey_pipeline.errors import JourneyError
from journey_pipeline.exports import calls
from journey_pipeline.exports.export import ENDED, Collection, Export, State
from journey_pipeline.exports.queue import Queue
from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.exports import Exports
from journey_pipeline.loading.order_checks import ORDER_CLAIMS, order_claims
from journey_pipeline.loading.plan import find_gaps
from journey_pipeline.model import Window, contiguous
from journey_pipeline.settings import home

# Orders don't change data, so they must not mark landed partitions stale.
DATA_VERSION = "orders"


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
        export_check(assets, ticks),
        dg.Definitions(schedules=request_schedules(assets, ticks, most_partitions=most)),
    )


def request_definitions(assets: LoadAssets) -> dg.Definitions:
    """The step that orders, and the job by which schedules start it."""
    job = dg.define_asset_job(
        assets.request_job_name,
        selection=dg.AssetSelection.assets(assets.requests).without_checks(),
        description=f"Orders exports of {assets.stream.key}.",
        tags=assets.tags,
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
        windows = [window_of(partitions, name) for name in context.partition_keys]
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


SUNDAY = 7
CHECK = "no_export_needs_a_person"
NAMED = 5


def check_job(assets: LoadAssets) -> Any:  # Dagster does not export the type
    """The job that looks for exports of a stream that need a person, and judges its orders."""
    names = (CHECK, *assets.stream.order_claims)
    return dg.define_asset_job(
        f"{assets.op_name}_exports_check",
        selection=dg.AssetSelection.checks(*(dg.AssetCheckKey(assets.requests, name) for name in names)),
        description=f"Looks for exports of {assets.stream.key} that need a person.",
        tags=assets.tags,
    )


def export_check(assets: LoadAssets, ticks: Ticks) -> dg.Definitions:
    """The check for exports that need a person, and the schedule that runs it. The sensor brings the job."""
    spec = dg.AssetCheckSpec(CHECK, asset=assets.requests, description="No export has stopped or is overdue.")

    def no_export_needs_a_person() -> Iterator[dg.AssetCheckResult]:
        with assets.open_exports() as opened:
            stuck = [export for export in opened.queue.needing_a_person() if export.key == assets.stream.key]
        named = "; ".join(f"{export}: {export.error or 'no answer yet'}" for export in stuck[:NAMED])
        yield dg.AssetCheckResult(
            asset_key=assets.requests,
            check_name=CHECK,
            passed=not stuck,
            severity=dg.AssetCheckSeverity.ERROR,
            description=named or "no export has stopped",
            metadata={"stuck": len(stuck)},
        )

    job_name = check_job(assets).name
    says = f"Runs the check {CHECK} of {assets.stream.key}."
    schedule = daily(job_name, EXPORTS, ticks, says, tags=assets.tags, job_name=job_name)
    check = standing_check(spec.get_python_identifier(), [spec], no_export_needs_a_person)
    return dg.Definitions(asset_checks=[check, *_order_checks(assets)], schedules=[schedule])


def _order_checks(assets: LoadAssets) -> Iterator[dg.AssetChecksDefinition]:
    """The claims about orders that the stream names."""
    if not assets.stream.order_claims:
        return
    said = {name: ORDER_CLAIMS[name][0] for name in assets.stream.order_claims}
    specs = [dg.AssetCheckSpec(name, asset=assets.requests, description=says) for name, says in said.items()]

    def orders() -> Iterator[dg.AssetCheckResult]:
        with assets.open_exports() as opened:
            claims = order_claims(assets.stream, opened.queue)
        for claim in claims:
            yield dg.AssetCheckResult(
                asset_key=assets.requests,
                check_name=claim.name,
                passed=claim.holds,
                severity=dg.AssetCheckSeverity[claim.severity.name],
                description=claim.says,
            )

    yield standing_check(f"{assets.op_name}_orders", specs, orders)


TICK_S = 55.0  # Dagster gives a tick a minute
STARTED_AGAIN_AFTER = timedelta(hours=1)  # a run that died before it took the export up leaves no trace in the ledger
REFUSED_FOR = timedelta(hours=1)
NOT_LET_IN = (401, 403)
INTERVAL_S = 30
MOST_STEPS = 100  # of the ledger that one tick reports; Dagster records each order for each of its partitions


def export_sensor(
    connection: str,
    streams: Sequence[LoadAssets],
    *,
    open_exports: Callable[[], Exports],
    poll_s: float,
    order_s: float,
    ticks: Ticks,
) -> dg.SensorDefinition:
    """Orders, polls, and starts the landing of what is ready.

    Args:
        poll_s: How long a poll may last: none is begun that a tick might not see the end of.
        order_s: The same of an order.
    """
    of = {assets.stream.key.stream: assets for assets in streams}

    does = (
        f"Orders and polls the due exports of {connection}, and starts the landing of ready ones. The partitions of "
        "their requests show their states."
    )
    jobs = [job for assets in streams for job in (assets.load_job, check_job(assets))]

    @sensor_of(f"{connection}_exports", INTERVAL_S, ticks, does, tags=tags_of(connection), jobs=jobs)
    def exports(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        with open_exports() as moving:
            queue = moving.queue
            over_at = queue.now() + timedelta(seconds=TICK_S)

            def has_time_for(call_s: float) -> bool:
                return queue.now() + timedelta(seconds=call_s) <= over_at

            refused = _refused(queue)
            moving.move_due(
                is_over=lambda: not has_time_for(poll_s), may_order=lambda: not refused and has_time_for(order_s)
            )
            ready = queue.fetchable()
            last_step, last_call = _known(context)
            step, moved = queue.moved_after(last_step, most=MOST_STEPS)
            called = calls.arrived(queue.ledger, connection, last_call)
            runs = [_landing(of[found.root.key.stream], found, queue.now()) for found in ready]
            runs += _checks(of, moved)
            says = str(moving.fault or refused or _told(queue))
            return dg.SensorResult(
                run_requests=runs,
                skip_reason=None if runs else dg.SkipReason(says),
                asset_events=[*_lives(context, of, moved), *_calls(of, called)],
                cursor=f"{step} {called[-1][0] if called else last_call}",
            )

    return exports


def _refused(queue: Queue) -> str:
    """Why an order was refused lately that waits for a person, if the connection is at fault; else empty.

    Others would be refused too, each with an alert of its own: until the hour is over, a person alone tries again.
    """
    since = queue.now() - REFUSED_FOR
    lately = (one for one in queue.needing_a_person() if one.last_status in NOT_LET_IN and one.changed_at > since)
    return next((one.error or "" for one in lately), "")


def _known(context: dg.SensorEvaluationContext) -> tuple[int, int]:
    """The last step of the ledger, and the last call of a vendor, that an earlier tick has reported."""
    numbers = [int(number) for number in (context.cursor or "").split() if number.isdecimal()]
    step, call, *_ = [*numbers, 0, 0]
    return step, call


def _calls(
    of: Mapping[str, LoadAssets], called: Sequence[tuple[int, Export, calls.Told]]
) -> Iterator[dg.AssetObservation]:
    """The calls that arrived, for each partition of the requests that they are for."""
    for _, root, told in called:
        if assets := of.get(root.key.stream):
            metadata: dict[str, Any] = {
                "called_at": dg.MetadataValue.timestamp(told.at),
                "verdict": str(told.verdict),
                **({"says": told.says} if told.says else {}),
                "link_ends_at": dg.MetadataValue.timestamp(told.ends_at),
                "export": root.id,
            }
            for window in root.window.partitions(assets.stream.granularity):
                key = key_of(assets.partitions, window)
                yield dg.AssetObservation(assets.requests, partition=key, metadata=metadata)


def _lives(
    context: dg.SensorEvaluationContext, of: Mapping[str, LoadAssets], moved: Sequence[Sequence[Export]]
) -> Iterator[Life]:
    for tree in moved:
        root = tree[0]
        context.log.info("%s", root)
        if root.key.stream in of and root.state is not State.REPLACED:
            yield from lives(of[root.key.stream], tree)


def _checks(of: Mapping[str, LoadAssets], moved: Sequence[Sequence[Export]]) -> Iterator[dg.RunRequest]:
    """A run of the check for each order that has just come to need a person: its alert is not to wait for the hour."""
    for tree in moved:
        stuck = [export for export in tree if export.needs_a_person]
        if stuck and (assets := of.get(tree[0].key.stream)):
            run_key = " ".join(f"{export.id}.{export.attempt} {export.state} {export.reason}" for export in stuck)
            yield dg.RunRequest(run_key=run_key, job_name=check_job(assets).name)


def _landing(assets: LoadAssets, found: Collection, now: datetime) -> dg.RunRequest:
    windows = found.root.window.partitions(assets.stream.granularity)
    ready_for = now - max(part.ready_at or now for part in found.parts)
    # The landing is of this very chance to fetch it: what landed of an earlier order is no reason to leave it.
    return request(assets, windows, run_key=f"{found.run_key}:{ready_for // STARTED_AGAIN_AFTER}", again=True)


def _told(queue: Queue) -> str:
    waiting = queue.under_way()
    if not waiting:
        return "no export is under way"
    states = Counter(export.standing for export in waiting)
    counted = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    due = queue.next_due_at()
    return f"{counted}; " + (
        f"the next call is due at {due:%Y-%m-%d %H:%M:%S} UTC" if due else "none will go on by itself"
    )


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
