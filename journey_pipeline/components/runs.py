"""Runs that the command line starts in this process, and runs whose process ended without a word.

Dagster notices a run's end while the code server lives that started it. After a power cut, or where the code server was
killed too, a run would stay started: it holds a place among the runs and its slot in a pool, and the gap filler leaves
its partitions alone. Not here: what a step does (`load_assets.py`, `warehouse.py`), runs that are started again
(`dagster.yaml`).
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.launcher import DefaultRunLauncher
from dagster._core.run_coordinator import QueuedRunCoordinator

from journey_pipeline.components.deployment import Deployment
from journey_pipeline.components.dimension_assets import ListConfig
from journey_pipeline.components.instance import history_kept_open
from journey_pipeline.components.load_assets import LoadAssets, LoadConfig
from journey_pipeline.components.recording import OF_CONNECTION, SAYS
from journey_pipeline.components.sweeps import leftovers_job_name, reconciliation_job_name
from journey_pipeline.components.translator import RANGE_END, RANGE_START, key_of
from journey_pipeline.components.warehouse import WAREHOUSE_JOB, WAREHOUSE_OP, WAREHOUSE_POOL, SyncConfig
from journey_pipeline.files import exclusive
from journey_pipeline.model import Window
from journey_pipeline.processes import has_ended, is_dead, this_process

_OURS = re.compile(r"journey_pipeline(\.\w+)+: ")  # how Dagster begins the message of an error of the project
_INTERRUPTED = dg.DagsterExecutionInterruptedError.__name__
_STOPPED = (KeyboardInterrupt.__name__, _INTERRUPTED)


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """How a run ended.

    Attributes:
        run_id: The run, as the UI names it.
        says: What the failed step said, if one failed.
        problems: What its checks say that do not hold and whose severity is error.
        warnings: What those say that do not hold and whose severity is less.
        did: What its assets say that they did.
    """

    run_id: str
    succeeded: bool
    says: str = ""
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    did: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Runner:
    """Starts runs of a deployment, each of a job by its name.

    Attributes:
        command: The command that starts them, for a tag of each run.
        faults: What runs said that ended by a fault of the connection itself: further ones would say the same.
    """

    deployment: Deployment
    instance: dg.DagsterInstance
    command: str = ""
    faults: list[str] = field(default_factory=list)

    def load(
        self, assets: LoadAssets, windows: Sequence[Window], *, pull: bool, only_missing: bool, waits: bool = True
    ) -> RunOutcome:
        """Loads the range from the first to the last of some partitions in one run.

        Args:
            windows: The partitions, as `loading.plan.loads` puts them together.
            pull: Whether to ask the vendor; otherwise events are made again from the landing.
            waits: Whether to wait for exports that the vendor has not made yet.
        """
        config = LoadConfig(only_missing=only_missing, waits=waits, tries_later=0)
        return self._run(
            assets.job_name,
            pool=assets.stream.key.connection,
            only=None if pull else (assets.events, assets.checks),
            config={assets.op_name: {"config": config.model_dump()}},
            tags=_range_tags(assets, windows),
        )

    def prepare(self, assets: LoadAssets, windows: Sequence[Window]) -> list[RunOutcome]:
        """Orders the exports of partitions in a row: a run for each step that comes before their landing.

        The vendor is at work on them until they are loaded.
        """
        pool, tags = assets.stream.key.connection, _range_tags(assets, windows)
        return [self._run(assets.request_job_name, pool=pool, tags=tags) for _ in assets.upstream]

    def sweep(self, assets: LoadAssets) -> RunOutcome:
        """Asks the vendor again about what has landed of a stream, in one run."""
        return self._run(reconciliation_job_name(assets), pool=assets.stream.key.connection)

    def remove_leftovers(self, connection: str) -> RunOutcome:
        """Removes what crashes left behind of a connection, in one run; says what, and which manifests it mended."""
        return self._run(leftovers_job_name(connection), pool=connection)

    def pull_dimensions(self, connection: str) -> RunOutcome | None:
        """Pulls a connection's dimensions in one run; None if it has none."""
        dimensions = self.deployment.connection(connection).dimensions
        if dimensions is None:
            return None
        config = {dimensions.op_name: {"config": ListConfig(tries_later=0).model_dump()}}
        return self._run(dimensions.job_name, pool=connection, config=config)

    def sync_warehouse(self, *, remove: bool = False) -> RunOutcome | None:
        """Syncs and publishes the warehouse in one run; None if none is configured.

        Args:
            remove: Whether what is gone from the lake goes, however much it is.
        """
        config = {WAREHOUSE_OP: {"config": SyncConfig(remove=remove).model_dump()}}
        return self._run(WAREHOUSE_JOB, pool=WAREHOUSE_POOL, config=config) if self.deployment.warehouses else None

    def _run(
        self,
        job_name: str,
        *,
        pool: str,
        only: tuple[dg.AssetKey, Sequence[dg.AssetCheckKey]] | None = None,
        config: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> RunOutcome:
        fail_runs_of_killed_commands(self.instance)
        job = self.deployment.definitions.resolve_job_def(job_name)
        if only:
            job = job.get_subset(asset_selection={only[0]}, asset_check_selection=set(only[1]))
        by_command = {"command": self.command} if self.command else {}
        # Of two commands that meet in a pool, Dagster may free the slot just before it notes that the other one waits,
        # and the other one is never woken. So commands queue here; the pool keeps them apart from the daemon's runs.
        lock = exclusive(Path(self.instance.root_directory) / f".{pool}.lock")
        with lock, _streams_given_back(), history_kept_open(self.instance):
            result = job.execute_in_process(
                instance=self.instance,
                run_config={"ops": dict(config or {}), "loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
                tags={PROCESS_TAG: this_process(), **by_command, **(tags or {})},
                raise_on_error=False,
            )
        failures = [event.step_failure_data for event in result.all_events if event.is_step_failure]
        if any(was_stopped(data.error) for data in failures):
            raise KeyboardInterrupt
        self.faults.extend(_said(data) for data in failures if _is_of_connection(data))
        return RunOutcome(
            result.run_id,
            succeeded=result.success,
            says="\n".join(_said(data) for data in failures),
            problems=_red_checks(result.all_events, dg.AssetCheckSeverity.ERROR),
            warnings=_red_checks(result.all_events, dg.AssetCheckSeverity.WARN),
            did=tuple(says for event in result.all_events if (says := _did(event))),
        )

    def materialized(self, assets: LoadAssets) -> set[str]:
        """Dagster's keys of the partitions whose events it has recorded."""
        return set(self.instance.get_materialized_partitions(assets.events))


@contextmanager
def _streams_given_back() -> Iterator[None]:
    """Leads the standard streams back afterwards: Dagster leaves a step's in its file if that file's disk is full."""
    kept = {}
    for descriptor in (1, 2):
        with suppress(OSError):  # it is closed
            kept[descriptor] = os.dup(descriptor)
    try:
        yield
    finally:
        for descriptor, copy in kept.items():
            os.dup2(copy, descriptor)
            os.close(copy)


def _range_tags(assets: LoadAssets, windows: Sequence[Window]) -> dict[str, str]:
    partitions = assets.partitions
    return {RANGE_START: key_of(partitions, windows[0]), RANGE_END: key_of(partitions, windows[-1])}


def _red_checks(events: Sequence[dg.DagsterEvent], severity: dg.AssetCheckSeverity) -> tuple[str, ...]:
    checks = [
        event.asset_check_evaluation_data
        for event in events
        if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION
    ]
    return tuple(
        f"{check.check_name} does not hold: {check.description}"
        for check in checks
        if not check.passed and check.severity is severity
    )


def _did(event: dg.DagsterEvent) -> str:
    if event.event_type is not dg.DagsterEventType.ASSET_MATERIALIZATION:
        return ""
    says = event.step_materialization_data.materialization.metadata.get(SAYS)
    return str(says.value) if says else ""


def _said(data: Any) -> str:
    if data.user_failure_data and data.user_failure_data.description:
        return str(data.user_failure_data.description)
    return sentence_of(data.error)


def _is_of_connection(data: Any) -> bool:
    return data.user_failure_data is not None and OF_CONNECTION in data.user_failure_data.metadata


def is_told_by_us(error: Any) -> bool:
    """Whether `sentence_of` an error has words of this package alone, which hold no person's data."""
    while error and not _OURS.match(error.message) and error.cls_name != _INTERRUPTED:
        error = error.cause
    return error is not None


def was_stopped(error: Any) -> bool:
    """Whether a signal ended the step whose error this is; inside of DuckDB that is an error of its own."""
    while error:
        if error.cls_name in _STOPPED or "Query interrupted" in error.message:
            return True
        error = error.cause
    return False


def sentence_of(error: Any) -> str:
    """The sentence of a step's error; for others' errors with their class."""
    while error.cause and not _OURS.match(error.message):
        error = error.cause
    if error.cls_name == _INTERRUPTED:
        return "stopped; run the command again, what has landed stays"
    return _OURS.sub("", str(error.message)).strip()


SENSOR = "abandoned_runs"
INTERVAL_S = 60
PROCESS_TAG = "journey_pipeline/process"
LOCATION_TAG = "dagster/code_location"
UNFINISHED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
BEGUN = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]  # before that Dagster itself gives up waiting


def fail_runs_of_killed_commands(instance: dg.DagsterInstance) -> list[str]:
    """Marks runs failed whose command was killed on this machine, and frees what they held; gives their ids."""
    message = "The command of this run was killed. Landed data is kept. Run the command again for the rest."
    return _fail(instance, UNFINISHED, message, lambda run: is_dead(run.tags.get(PROCESS_TAG)))


def fail_runs_of_killed_workers(instance: dg.DagsterInstance, location: str) -> list[str]:
    """The same for runs that the daemon started in this code location, if its code server is on this machine."""
    if not isinstance(instance.run_launcher, DefaultRunLauncher):
        return []  # runs are elsewhere, and Dagster asks there
    if not isinstance(instance.run_coordinator, QueuedRunCoordinator):
        return []  # the webserver starts them, which may be on another machine

    def is_abandoned(run: dg.DagsterRun) -> bool:
        return run.tags.get(LOCATION_TAG) == location and _worker_has_ended(instance, run.run_id)

    message = "The process of this run was killed, or its machine stopped. Landed data is kept."
    return _fail(instance, BEGUN, message, is_abandoned)


def abandoned_runs_sensor(status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    """Looks for abandoned runs every minute; a sensor, since those may hold all places for runs."""

    @dg.sensor(
        name=SENSOR,
        minimum_interval_seconds=INTERVAL_S,
        default_status=status,
        description="Marks runs failed whose process was killed together with the code server, and frees what they "
        "held.",
    )
    def abandoned_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        failed = fail_runs_of_killed_commands(context.instance)
        if origin := context.code_location_origin:
            failed += fail_runs_of_killed_workers(context.instance, origin.location_name)
        for run in failed:
            context.log.warning("run %s was marked failed: its process has ended", run)
        marked = f"{len(failed)} runs were marked failed: their processes had ended"
        return dg.SkipReason(marked if failed else "all started runs are still running")

    return abandoned_runs


def cancel_unfinished(instance: dg.DagsterInstance) -> None:
    """Marks the runs canceled that the daemon had started, once their processes are gone."""
    for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)):
        if PROCESS_TAG not in run.tags:
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
            instance.report_run_canceled(run)


def _fail(
    instance: dg.DagsterInstance,
    statuses: Sequence[dg.DagsterRunStatus],
    message: str,
    is_abandoned: Callable[[dg.DagsterRun], bool],
) -> list[str]:
    abandoned = []
    for run in instance.get_runs(dg.RunsFilter(statuses=list(statuses))):
        if not is_abandoned(run):
            continue
        now = instance.get_run_by_id(run.run_id)  # it may have ended well between the two looks
        if now is None or now.status not in statuses:
            continue
        # In this order: a run that is marked failed is not looked at again, and slots that it still held
        # would keep every later run waiting.
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
        instance.report_run_failed(run, message)
        abandoned.append(run.run_id)
    return abandoned


def _worker_has_ended(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether the process has ended that Dagster noted when the run began; false where it noted none."""
    records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT).records
    for record in records:
        event = record.event_log_entry.dagster_event
        pid = event.engine_event_data.metadata.get("pid") if event and event.step_key is None else None
        if pid and str(pid.value).isdecimal():
            return has_ended(int(str(pid.value)), seen_at=record.event_log_entry.timestamp)
    return False
