"""What the schedules of a deployment do next, and the same at once, for a person who looks on.

Not here: the schedules (`schedules.py`, `export_assets.py`).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import dagster as dg
from dagster._core.storage.tags import PARTITION_NAME_TAG
from dagster._utils.schedules import schedule_execution_time_iterator
from dagster_graphql import DagsterGraphQLClient

from journey_pipeline.components.deployment import Deployment
from journey_pipeline.components.instance import accepted_previews
from journey_pipeline.components.translator import RANGE_END, RANGE_START


class Due(NamedTuple):
    """Loads of a kind, such as `newest` or `gaps`, that are asked for at a time, and the streams."""

    at: datetime
    what: str
    streams: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Agenda:
    """What comes next.

    Attributes:
        loads: Loads and orders, the earliest first.
        sensors: Descriptions of sensors, by how many seconds lie between their looks.
        others: How many schedules check, sweep and list.
    """

    loads: Sequence[Due]
    sensors: Mapping[int, Sequence[str]]
    others: int

    @classmethod
    def of(cls, deployment: Deployment, now: datetime) -> "Agenda":
        """The next tick of each schedule that is switched on by default, and the sensors that move what it starts."""
        schedules, loading = _schedules(deployment), _loading(deployment)
        due: dict[tuple[datetime, str], list[str]] = defaultdict(list)
        for schedule in schedules:
            if stream := loading.get(schedule.job_name):
                due[_next(schedule, now), schedule.name.rpartition("_")[2]].append(stream)
        sensors: dict[int, list[str]] = defaultdict(list)
        for sensor in deployment.definitions.sensors or ():
            sensors[sensor.minimum_interval_seconds or 0].append((sensor.description or sensor.name).partition(".")[0])
        loads = [Due(at, what, tuple(sorted(streams))) for (at, what), streams in sorted(due.items())]
        return cls(loads, sensors, len(schedules) - sum(schedule.job_name in loading for schedule in schedules))


class Asked(NamedTuple):
    """A run, over the partitions from the first to the last."""

    job: str
    first: str
    last: str
    tags: Mapping[str, str]
    config: Mapping[str, Any]

    @classmethod
    def of(cls, job: str, request: dg.RunRequest) -> "Asked":
        """What a schedule's request asks for."""
        key, tags = request.partition_key, request.tags
        if key:
            return cls(job, key, key, {**tags, PARTITION_NAME_TAG: key}, request.run_config)
        return cls(job, tags[RANGE_START], tags[RANGE_END], tags, request.run_config)

    def is_part_of(self, other: "Asked") -> bool:
        """Whether another run holds all of it."""
        return self.job == other.job and other.first <= self.first and self.last <= other.last


def asked_now(deployment: Deployment, instance: dg.DagsterInstance) -> list[Asked]:
    """The runs that the schedules that load and order would start now.

    Dagster has an interrupt of its own while it asks one, by which no program ends.
    """
    try:
        return _apart(_of_schedules(deployment, instance))
    except dg.DagsterExecutionInterruptedError:
        raise KeyboardInterrupt from None


def start(runs: Iterable[Asked], port: int) -> Iterator[str]:
    """Starts runs; gives a line for each.

    Args:
        port: Where the webserver listens on this machine; the daemon beside it starts the runs.
    """
    client = DagsterGraphQLClient("127.0.0.1", port_number=port)
    for asked in runs:
        client.submit_job_execution(asked.job, run_config=dict(asked.config), tags=dict(asked.tags))
        yield f"{asked.job}: {asked.first if asked.first == asked.last else f'{asked.first} to {asked.last}'}"


def _of_schedules(deployment: Deployment, instance: dg.DagsterInstance) -> Iterator[Asked]:
    loading, now = _loading(deployment), datetime.now(UTC)
    with accepted_previews():
        repository = deployment.definitions.get_repository_def()
        for schedule in _schedules(deployment):
            if schedule.job_name in loading:
                context = dg.build_schedule_context(
                    instance=instance, repository_def=repository, scheduled_execution_time=now
                )
                found = schedule.evaluate_tick(context).run_requests or ()
                yield from (Asked.of(request.job_name or schedule.job_name, request) for request in found)


def _apart(found: Iterable[Asked]) -> list[Asked]:
    """Those that no other one holds whole: schedules know of each other's runs only once those have begun."""
    kept: list[Asked] = []
    for one in found:
        if not any(one.is_part_of(other) for other in kept):
            kept = [*(other for other in kept if not other.is_part_of(one)), one]
    return kept


def _schedules(deployment: Deployment) -> list[dg.ScheduleDefinition]:
    found = [one for one in deployment.definitions.schedules or () if isinstance(one, dg.ScheduleDefinition)]
    return [one for one in found if one.default_status is dg.DefaultScheduleStatus.RUNNING]


def _loading(deployment: Deployment) -> dict[str, str]:
    """The jobs that load and order, and their streams."""
    jobs: dict[str, str] = {}
    for assets in deployment.streams():
        jobs |= dict.fromkeys((assets.job_name, assets.request_job_name), str(assets.stream.key))
    return jobs


def _next(schedule: dg.ScheduleDefinition, now: datetime) -> datetime:
    ticks = schedule_execution_time_iterator(now.timestamp(), schedule.cron_schedule, schedule.execution_timezone)
    return next(tick for tick in ticks if tick > now).astimezone(UTC)
