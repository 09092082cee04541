"""Schedules of a stream: load the newest partition once the vendor's history has passed it, and missing partitions.

Not here: what a load does (`load_assets.py`), which partitions are missing (`loading/plan.py`).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar

import dagster as dg
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus

from journey_pipeline.components.instance import accepted_previews
from journey_pipeline.components.load_assets import LoadAssets
from journey_pipeline.components.translator import RANGE_END, RANGE_START, key_of, last_whole, window_of
from journey_pipeline.errors import JourneyError
from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.partition import made_events
from journey_pipeline.loading.plan import find_gaps, loads, whole_span
from journey_pipeline.model import Granularity, Window
from journey_pipeline.settings import home
from journey_pipeline.vendors.source import Freshness

# Times of all schedules, as cron, UTC.
NEWEST = {Granularity.HOUR: "*/10 * * * *", Granularity.DAY: "*/30 * * * *"}
DIMENSIONS = "5 3 * * *"
OLD_RUNS = "50 3 * * *"
LEFTOVERS = "10 4 * * *"
RECONCILIATION = "15 4 * * *"
WHOLENESS = "20 4 * * *"
REDNESS = "35 4 * * *"
REPORTS = "0 5 * * *"
REACH = "15 5 * * 0"
GAPS = "40 * * * *"
FRESHNESS = "45 * * * *"
COMPLETENESS = "50 * * * *"
EXPORTS = "55 * * * *"

MOST_PARTITIONS = 1000  # of one run: Dagster plans an event for each before it starts

UNFINISHED_RUNS = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
UNFINISHED_BACKFILLS = [BulkActionStatus.REQUESTED]


def busy_windows(instance: dg.DagsterInstance, assets: LoadAssets, graph: Any) -> set[Window]:
    """The windows that are queued, running, or in a backfill, which is read with the code location's asset `graph`."""
    keys = {*_of_runs(instance, assets), *_of_backfills(instance, assets, graph)}
    return {window_of(assets.partitions, key) for key in keys}


def _of_runs(instance: dg.DagsterInstance, assets: LoadAssets) -> Iterator[str]:
    chosen = {assets.raw, assets.events}
    for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED_RUNS)):
        is_ours = chosen & set(run.asset_selection) if run.asset_selection else run.job_name == assets.job_name
        if not is_ours:
            continue
        if partition := run.tags.get("dagster/partition"):
            yield partition
        first = run.tags.get(RANGE_START)
        last = run.tags.get(RANGE_END)
        if first and last:
            yield from assets.partitions.get_partition_keys_in_range(dg.PartitionKeyRange(first, last))


def _of_backfills(instance: dg.DagsterInstance, assets: LoadAssets, graph: Any) -> Iterator[str]:
    chosen = {assets.raw, assets.events}
    for backfill in instance.get_backfills(filters=BulkActionsFilter(statuses=UNFINISHED_BACKFILLS)):
        if not backfill.is_asset_backfill:
            continue
        for target in backfill.get_asset_backfill_data(graph).target_subset.iterate_asset_partitions():
            if target.asset_key in chosen and target.partition_key:
                yield target.partition_key


Told = TypeVar("Told")


class Ticks(NamedTuple):
    """What the ticks of some schedules and sensors depend on.

    Attributes:
        why_not: Says at each tick why it skips; nothing if it does its work.
    """

    are_on: bool = True
    why_not: Callable[[], str] = str

    def run(self, tick: Callable[[], Told]) -> Told | dg.SkipReason:
        """A tick, or why it is skipped: a fault of the connection is a sentence, and runs and checks of it are red."""
        try:
            why_not = self.why_not()
            return dg.SkipReason(why_not) if why_not else tick()
        except JourneyError as error:
            if not error.of_connection:
                raise
            return dg.SkipReason(str(error))

    @property
    def of_schedules(self) -> dg.DefaultScheduleStatus:
        """How schedules start."""
        return dg.DefaultScheduleStatus.RUNNING if self.are_on else dg.DefaultScheduleStatus.STOPPED

    @property
    def of_sensors(self) -> dg.DefaultSensorStatus:
        """How sensors start."""
        return dg.DefaultSensorStatus.RUNNING if self.are_on else dg.DefaultSensorStatus.STOPPED


Asked = dg.RunRequest | Sequence[dg.RunRequest] | dg.SkipReason
Ask = Callable[[dg.ScheduleEvaluationContext, datetime], Asked]
Sensed = dg.RunRequest | Sequence[dg.RunRequest] | dg.SensorResult | dg.SkipReason
Sense = Callable[[dg.SensorEvaluationContext], Sensed]


def schedule_of(
    assets: LoadAssets, what: str, cron: str, ticks: Ticks, says: str, *, job_name: str = ""
) -> Callable[[Ask], dg.ScheduleDefinition]:
    """Makes a schedule of a stream, which starts its load or another job, of a function that gives a tick's runs."""
    define = dg.schedule(
        name=f"{assets.op_name}_{what}",
        job_name=job_name or assets.job_name,
        cron_schedule=cron,
        execution_timezone="UTC",
        default_status=ticks.of_schedules,
        description=says,
        tags=assets.tags,
    )

    def schedule(ask: Ask) -> dg.ScheduleDefinition:
        def tick(context: dg.ScheduleEvaluationContext) -> Asked:
            at = context.scheduled_execution_time.astimezone(UTC)
            return ticks.run(lambda: ask(context, at))

        return define(tick)

    return schedule


def daily(name: str, cron: str, ticks: Ticks, says: str, **what: Any) -> dg.ScheduleDefinition:
    """A schedule that starts the same job at each tick."""

    def tick(_context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        return ticks.run(dg.RunRequest)

    return dg.ScheduleDefinition(
        name=name,
        cron_schedule=cron,
        execution_timezone="UTC",
        default_status=ticks.of_schedules,
        description=says,
        execution_fn=tick,
        **what,
    )


def sensor_of(
    name: str, interval_s: int, ticks: Ticks, says: str, **what: Any
) -> Callable[[Sense], dg.SensorDefinition]:
    """Makes a sensor of a function that looks; `what`: the job or jobs that it starts."""
    define = dg.sensor(
        name=name, minimum_interval_seconds=interval_s, default_status=ticks.of_sensors, description=says, **what
    )

    def sensor(look: Sense) -> dg.SensorDefinition:
        def tick(context: dg.SensorEvaluationContext) -> Sensed:
            return ticks.run(lambda: look(context))

        return define(tick)

    return sensor


def pulled_definitions(assets: LoadAssets, most: int, ticks: Ticks) -> dg.Definitions:
    """Schedules that load the newest and the missing partitions of a stream that answers at once."""
    newest = newest_partition_schedule(assets, ticks)
    gaps = gap_schedule(assets, ticks, most_partitions=most)
    return dg.Definitions(jobs=[assets.load_job], schedules=[newest, gaps])


def newest_partition_schedule(assets: LoadAssets, ticks: Ticks) -> dg.ScheduleDefinition:
    """Loads the newest partition as soon as the vendor's history has passed it."""
    unit = assets.stream.granularity
    does = f"Loads the newest {unit.value} of {assets.stream.key} as soon as the vendor's history has passed it."

    @schedule_of(assets, "newest", NEWEST[unit], ticks, does)
    def newest(_context: dg.ScheduleEvaluationContext, now: datetime) -> dg.RunRequest | dg.SkipReason:
        window = last_whole(assets.stream, now)
        if window.start < assets.stream.start:
            return dg.SkipReason(f"the first partition starts at {assets.stream.start:%Y-%m-%d %H:%M} UTC")
        if made_events(Lake(home()), assets.stream, window.partition):
            return dg.SkipReason(f"{window.partition} has landed already")
        fresh = freshness(assets, now)
        if fresh.until < window.end:
            return dg.SkipReason(f"{window.partition} is not complete yet: {fresh.says}")
        return request(assets, [window], run_key=window.partition)

    return newest


def gap_schedule(assets: LoadAssets, ticks: Ticks, *, most_partitions: int) -> dg.ScheduleDefinition:
    """Asks for what is missing and still retrievable, oldest first."""
    does = (
        f"Asks for the partitions of {assets.stream.key} that are missing and that the vendor still keeps, oldest "
        f"first, at most {most_partitions} at a time, without those that are queued or running."
    )

    @schedule_of(assets, "gaps", GAPS, ticks, does)
    def fill_gaps(context: dg.ScheduleEvaluationContext, now: datetime) -> Sequence[dg.RunRequest] | dg.SkipReason:
        gaps = find_gaps(Lake(home()), assets.stream, now)
        if not gaps.count:
            return dg.SkipReason("nothing is missing that the vendor still keeps")
        fresh = freshness(assets, now)
        with accepted_previews():
            busy = busy_windows(context.instance, assets, context.repository_def.asset_graph)
        late = {window for window in gaps.missing if window.end > fresh.until}
        # Asked for apart, the answers to partitions of which one holds several would hold the later ones again.
        windows = gaps.next(busy | late, max(most_partitions, assets.stream.partitions_per_answer))
        if not windows:
            return dg.SkipReason(
                f"{gaps.count} partitions are not complete: {len(busy)} are queued or running, "
                f"{len(late - busy)} too new ({fresh.says})"
            )
        return [
            request(assets, run, run_key=key_at(run, now)) for run in loads(assets.stream, windows, MOST_PARTITIONS)
        ]

    return fill_gaps


def reach_schedule(assets: LoadAssets, ticks: Ticks) -> dg.ScheduleDefinition:
    """Asks an open-ended stream again for the oldest day that the vendor keeps: that answer holds all days since.

    What came to light late, such as events of people whom the vendor recognised long after their day, is in it.
    """
    does = (
        f"Asks again for all that the vendor of {assets.stream.key} keeps, in one request: what came to light long "
        "after its day is in it."
    )

    @schedule_of(assets, "reach", REACH, ticks, does)
    def reach(_context: dg.ScheduleEvaluationContext, now: datetime) -> dg.RunRequest | dg.SkipReason:
        kept = whole_span(assets.stream, now)
        days = kept.partitions(assets.stream.granularity) if kept else []
        oldest = next((day for day in days if not assets.stream.is_expired(day, now)), None)
        if oldest is None:
            return dg.SkipReason("no whole day has passed yet that the vendor keeps")
        return request(assets, [oldest], run_key=f"reach {now:%Y%m%d}", again=True)

    return reach


def key_at(run: Sequence[Window], now: datetime) -> str:
    """The key of a run that a tick asks for: another one at the next tick."""
    return f"{run[0].partition} {now:%Y%m%dT%H%M}"


def request(assets: LoadAssets, windows: Sequence[Window], *, run_key: str, again: bool = False) -> dg.RunRequest:
    """A load of the range from the first to the last of some partitions; unless `again`, landed ones are left alone."""
    config: dict[str, Any] = {"ops": {assets.op_name: {"config": {"only_missing": not again}}}}
    return run_over(assets, windows, run_key=run_key, job_name=assets.job_name, run_config=config)


def run_over(assets: LoadAssets, windows: Sequence[Window], **asked: Any) -> dg.RunRequest:
    """A run for the range from the first to the last of some partitions; `asked`: further arguments of `RunRequest`."""
    first, last = (key_of(assets.partitions, window) for window in (windows[0], windows[-1]))
    if first == last:
        return dg.RunRequest(partition_key=first, **asked)
    return dg.RunRequest(tags={RANGE_START: first, RANGE_END: last}, **asked)


def freshness(assets: LoadAssets, now: datetime) -> Freshness:
    """Asks the vendor up to where its history is complete."""
    with closing(assets.open_source()) as source:
        return source.freshness(now)
