"""The sensor that keeps a connection's exports moving: it orders, polls, and starts the landing of what is ready.

One for a connection: a tick has a time budget, and an export that is broken stops none of the others. Not here: the
orders (`export_assets.py`), single steps (`loading/exports.py`).
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import dagster as dg

from journey_pipeline.components.export_assets import Life, lives
from journey_pipeline.components.export_checks import check_job
from journey_pipeline.components.load_assets import LoadAssets
from journey_pipeline.components.schedules import Ticks, request, sensor_of
from journey_pipeline.components.translator import key_of, tags_of
from journey_pipeline.exports import calls
from journey_pipeline.exports.export import Collection, Export, State
from journey_pipeline.exports.queue import Queue
from journey_pipeline.loading.exports import Exports

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
