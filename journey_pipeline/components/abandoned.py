"""Runs whose process has ended without a word: marked failed, so that they hold no place and no slot for ever.

Dagster sees the end of a run's process as long as the code server lives that started it. After a power cut, or where
the code server was killed too, a run would stay started: it holds a place among the runs and its slot in a pool, and
the gap filler leaves its partitions alone. Not here: runs that are started again (`dagster.yaml`).
"""

from collections.abc import Callable, Sequence

import dagster as dg
from dagster._core.launcher import DefaultRunLauncher
from dagster._core.run_coordinator import QueuedRunCoordinator

from journey_pipeline.processes import has_ended, is_dead

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
    """The same of runs that the daemon had started in a code location whose code server is on this machine.

    Args:
        instance: Where the runs are recorded.
        location: The code location that this process belongs to.
    """
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
