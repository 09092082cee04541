"""The Component of Dagster's history: for how many days runs are kept, which of the old ones go, and when.

The log of an old run goes: its lines and what its steps printed. The run goes too, with all that it recorded, unless it
is the last that made or failed to make a partition, or that ran a check: assets, partitions and checks look as before.
Dagster's own `delete_run` doesn't ask what rests on a run, and leaves its files and checks behind. Not here: giving
room back (`instance.py`).
"""

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import dagster as dg
import sqlalchemy as sa
from dagster._core.events import ASSET_CHECK_EVENTS, ASSET_EVENTS, EVENT_TYPE_TO_PIPELINE_RUN_STATUS
from dagster._core.execution.backfill import BULK_ACTION_TERMINAL_STATUSES, BulkActionsFilter, BulkActionStatus
from dagster._core.instance import RUNLESS_RUN_ID
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log import SqlEventLogStorage, SqliteEventLogStorage
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetEventTagsTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.tags import BACKFILL_ID_TAG
from pydantic import Field
from sqlalchemy.exc import SQLAlchemyError

from journey_pipeline.components.connection import connections_in
from journey_pipeline.components.described import Described
from journey_pipeline.components.instance import Compacted, compact_history, is_packed, pack
from journey_pipeline.components.runs import abandoned_runs_sensor
from journey_pipeline.components.schedules import OLD_RUNS, Ticks, daily
from journey_pipeline.components.translator import DOES
from journey_pipeline.components.warehouse import JourneyWarehouse
from journey_pipeline.errors import ConfigError, JourneyError, text_of
from journey_pipeline.files import refusal

JOB = "old_runs"
AT_A_TIME = 100  # runs that go in one transaction; those who write meanwhile wait for it
ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
FAILED = [dg.DagsterEventType.RUN_FAILURE, dg.DagsterEventType.RUN_CANCELED]
SAID = [AssetCheckExecutionRecordStatus.SUCCEEDED, AssetCheckExecutionRecordStatus.FAILED]
STEPS = [
    dg.DagsterEventType.STEP_START,
    dg.DagsterEventType.STEP_SUCCESS,
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.STEP_SKIPPED,
    dg.DagsterEventType.STEP_UP_FOR_RETRY,
    dg.DagsterEventType.STEP_RESTARTED,
]
# What the UI's pages of assets and runs rest on. All else is a line of a run's log.
LASTING = [event.value for event in (*ASSET_EVENTS, *ASSET_CHECK_EVENTS, *EVENT_TYPE_TO_PIPELINE_RUN_STATUS, *STEPS)]

_events = SqlEventLogStorageTable.c
_checks = AssetCheckExecutionsTable.c


@dataclass(frozen=True, slots=True)
class Whose:
    """Runs that may go: those of these assets alone, and of the job that deletes runs."""

    assets: AbstractSet[dg.AssetKey]
    everybodys: bool = False

    def holds(self, run: dg.DagsterRun, assets: AbstractSet[dg.AssetKey]) -> bool:
        """Whether a run of some assets may go."""
        return self.everybodys or run.job_name == JOB or (bool(assets) and assets <= self.assets)


@dataclass(slots=True)
class Forgotten:
    """Counts of deleted runs.

    Attributes:
        runs: Runs that went with all that they recorded.
        problems: What could not be removed, and why.
        left: How many old runs were not looked at.
        events: Events of no run that went, such as those by which a sensor tells of an order.
    """

    runs: int = 0
    logs: int = 0
    bytes: int = 0
    problems: list[str] = field(default_factory=list)
    left: int = 0
    events: int = 0


def forget_old_runs(
    instance: dg.DagsterInstance, whose: Whose, *, before: datetime, most: int, say: Callable[[str], None]
) -> Forgotten:
    """Deletes the logs of old runs, and the runs that the UI no longer needs, the oldest first.

    A process that is killed here has done a part: the next one goes on.

    Args:
        most: No more is begun once so many went.

    Raises:
        ConfigError: If Dagster keeps its events in another kind of storage.
    """
    storage = _storage(instance)
    old = _old(instance, before)
    needed = _needed(storage)
    runs = _Runs(instance, storage, _checked(storage), done := Forgotten())
    for start in range(0, len(old), AT_A_TIME):
        if done.runs + done.logs >= most:
            done.left = len(old) - start
            break
        batch = old[start : start + AT_A_TIME]
        long = set(runs.with_log([run for run in batch if run in needed]))
        if busy_with := [run for run in batch if run not in needed or run in long]:
            ours = runs.of(whose, busy_with)
            runs.forget([run for run in ours if run not in needed])
            runs.shorten([run for run in ours if run in long])
        say(f"{start + len(batch)} of {len(old)} old runs: {done.runs} deleted, {done.logs} logs of others")
    done.events = _forget_events_of_no_run(storage, whose, before)
    return done


def _storage(instance: dg.DagsterInstance) -> SqlEventLogStorage:
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        raise ConfigError(f"old runs can't be deleted: Dagster keeps its events in a {type(storage).__name__}")
    return storage


def _old(instance: dg.DagsterInstance, before: datetime) -> list[str]:
    """Runs that ended before a time and are in no backfill that goes on, the oldest first."""
    goes_on = [status for status in BulkActionStatus if status not in BULK_ACTION_TERMINAL_STATUSES]
    backfills = [found.backfill_id for found in instance.get_backfills(filters=BulkActionsFilter(statuses=goes_on))]
    of_backfills = dg.RunsFilter(tags={BACKFILL_ID_TAG: backfills})
    busy = set(instance.get_run_ids(of_backfills)) if backfills else set()
    ended = instance.get_run_ids(dg.RunsFilter(statuses=ENDED, updated_before=before))
    return [run for run in reversed(ended) if run not in busy]


def _needed(storage: SqlEventLogStorage) -> set[str]:
    """The last runs that made or failed to make each partition of each asset, and that ran each check."""
    with storage.index_connection() as index:
        return {str(run) for query in (_makers(), _failures(), _checkers()) for run in index.scalars(query)}


def _makers() -> sa.Select[tuple[str]]:
    kinds = [dg.DagsterEventType.ASSET_MATERIALIZATION.value, dg.DagsterEventType.ASSET_OBSERVATION.value]
    last = sa.select(sa.func.max(_events.id)).where(_events.dagster_event_type.in_(kinds))
    last = last.group_by(_events.asset_key, _events.dagster_event_type, _events.partition)
    return sa.select(_events.run_id).where(_events.id.in_(last))


def _failures() -> sa.Select[tuple[str]]:
    failed = sa.select(_events.run_id).where(_events.dagster_event_type.in_([kind.value for kind in FAILED]))
    made = SqlEventLogStorageTable.alias()
    was_made = sa.exists().where(
        made.c.run_id == _events.run_id,
        made.c.asset_key == _events.asset_key,
        made.c.partition.is_not_distinct_from(_events.partition),
        made.c.dagster_event_type == dg.DagsterEventType.ASSET_MATERIALIZATION.value,
    )
    planned = _events.dagster_event_type == dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED.value
    last = sa.select(sa.func.max(_events.id)).where(planned, _events.run_id.in_(failed), ~was_made)
    return sa.select(_events.run_id).where(_events.id.in_(last.group_by(_events.asset_key, _events.partition)))


def _checkers() -> sa.Select[tuple[str]]:
    last = sa.select(sa.func.max(_checks.id)).group_by(_checks.asset_key, _checks.check_name, _checks.partition)
    said = last.where(_checks.execution_status.in_([status.value for status in SAID]))
    return sa.select(_checks.run_id).where(sa.or_(_checks.id.in_(last), _checks.id.in_(said)))


def _checked(storage: SqlEventLogStorage) -> dict[str, set[dg.AssetKey]]:
    """The runs that ran checks, and the assets of those. Their table has no index by run: it is read once."""
    checked: dict[str, set[dg.AssetKey]] = {}
    with storage.index_connection() as index:
        for run, asset in index.execute(sa.select(_checks.run_id, _checks.asset_key).distinct()):
            checked.setdefault(run, set()).add(_key(asset))
    return checked


def _key(text: str) -> dg.AssetKey:
    return dg.AssetKey(json.loads(text))


def _forget_events_of_no_run(storage: SqlEventLogStorage, whose: Whose, before: datetime) -> int:
    """Removes old events that no run recorded, but for the last of each kind of each partition; gives their number."""
    old = [_events.run_id == RUNLESS_RUN_ID, _events.timestamp < before.replace(tzinfo=None)]
    if whose.everybodys:
        old.append(_events.asset_key.is_not(None))
    else:
        old.append(_events.asset_key.in_([asset.to_string() for asset in whose.assets]))
    last = sa.select(sa.func.max(_events.id)).where(_events.asset_key.is_not(None))
    last = last.group_by(_events.asset_key, _events.dagster_event_type, _events.partition)
    gone = sa.select(_events.id).where(*old, _events.id.not_in(last))
    with storage.index_connection() as index:
        index.execute(sa.delete(AssetEventTagsTable).where(AssetEventTagsTable.c.event_id.in_(gone)))
        count = index.execute(sa.delete(SqlEventLogStorageTable).where(_events.id.in_(gone))).rowcount
    if isinstance(storage, SqliteEventLogStorage):
        with storage.run_connection(RUNLESS_RUN_ID) as log:
            log.execute(sa.delete(SqlEventLogStorageTable).where(*old))
    return int(count)


@dataclass(frozen=True, slots=True)
class _Runs:
    """The runs of an instance, as they go. `checked`: the runs that ran checks, and the assets of those."""

    instance: dg.DagsterInstance
    storage: SqlEventLogStorage
    checked: Mapping[str, AbstractSet[dg.AssetKey]]
    done: Forgotten

    def of(self, whose: Whose, ids: Sequence[str]) -> list[str]:
        """Runs that may be deleted. A run without events is the rest of a deletion that was killed."""
        assets = {run: set(self.checked.get(run, ())) for run in ids if self._log(run)}
        query = sa.select(_events.run_id, _events.asset_key).where(_events.run_id.in_(ids)).distinct()
        with self.storage.index_connection() as index:
            for run, asset in index.execute(query):
                assets.setdefault(run, set(self.checked.get(run, ()))).update({_key(asset)} if asset else ())
        runs = {run.run_id: run for run in self.instance.get_runs(dg.RunsFilter(run_ids=list(ids)))}
        return [run for run in ids if run in runs and (run not in assets or whose.holds(runs[run], assets[run]))]

    def forget(self, ids: Sequence[str]) -> None:
        """Removes runs with all that they recorded. The run itself goes last: until then it is found again."""
        gone = self._without_files(ids)
        with self.storage.index_connection() as index:
            if checked := [run for run in gone if run in self.checked]:
                index.execute(sa.delete(AssetCheckExecutionsTable).where(_checks.run_id.in_(checked)))
            for run in gone:
                self.storage.delete_events_for_run(index, run)
        for run in gone:
            self.instance.run_storage.delete_run(run)
        self.done.runs += len(gone)

    def shorten(self, ids: Sequence[str]) -> None:
        """Removes the logs of runs that stay, but for how their steps ended."""
        gone = self._without_files(ids, stay=True)
        if isinstance(self.storage, SqliteEventLogStorage):
            gone = [run for run in gone if self._pack(self.storage, run)]
        elif gone:
            with self.storage.index_connection() as index:
                index.execute(sa.delete(SqlEventLogStorageTable).where(_is_line(gone)))
        self.done.logs += len(gone)

    def _pack(self, storage: SqliteEventLogStorage, run: str) -> bool:
        file = Path(storage.path_for_shard(run))
        before = file.stat().st_size
        try:
            with storage.run_connection(run) as log:
                log.execute(sa.delete(SqlEventLogStorageTable).where(_is_line([run])))
            pack(file)
        except (sqlite3.Error, SQLAlchemyError) as error:
            self.done.problems.append(f"run {run[:8]}: {text_of(getattr(error, 'orig', None) or error)}")
            return False
        self.done.bytes += before - file.stat().st_size
        return is_packed(file)

    def with_log(self, ids: Sequence[str]) -> list[str]:
        """Runs that have a log."""
        if isinstance(self.storage, SqliteEventLogStorage):  # a file for each run, and one of all that lasts
            files = {run: Path(self.storage.path_for_shard(run)) for run in ids}
            return [run for run, file in files.items() if file.exists() and not is_packed(file)]
        with self.storage.index_connection() as index:
            found = set(index.scalars(sa.select(_events.run_id).where(_is_line(ids)).distinct()))
        return [run for run in ids if run in found]

    def _without_files(self, ids: Sequence[str], *, stay: bool = False) -> list[str]:
        """Removes the files of runs, but for the events of those that stay; gives those of which that could be done."""
        gone = []
        for run in ids:
            folder, log = Path(self.instance.storage_directory()) / run, [] if stay else self._log(run)
            files = [*log, *(path for path in folder.rglob("*") if path.is_file())]
            try:
                size = sum(path.stat().st_size for path in files)
                self.instance.compute_log_manager.delete_logs(prefix=[run])
                if folder.exists():
                    shutil.rmtree(folder)
                for path in log:
                    path.unlink()
            except OSError as error:
                self.done.problems.append(f"run {run[:8]}: {refusal(error, folder)}")
                continue
            self.done.bytes += size
            gone.append(run)
        return gone

    def _log(self, run: str) -> list[Path]:
        """The file of a run's log, after those beside it that SQLite would read into another file of that name."""
        if not isinstance(self.storage, SqliteEventLogStorage):
            return []
        log = Path(self.storage.path_for_shard(run))
        return [path for end in ("-shm", "-wal", "") if (path := log.with_name(log.name + end)).exists()]


def _is_line(ids: Iterable[str]) -> sa.ColumnElement[bool]:
    kind = _events.dagster_event_type
    return sa.and_(_events.run_id.in_(ids), sa.or_(kind.is_(None), kind.not_in(LASTING)))


class JourneyRunHistory(Described, dg.Component):
    """Deletes old runs from Dagster's history, once a day.

    A run that ended more than keep_days ago loses its log. Then the run is deleted, unless it is the last one that made
    or failed to make a partition of an asset, or the last one of a check. So the UI shows assets as before. SQLite
    files are then made smaller. Runs of other assets are kept, unless everybodys_runs is true.

    The sensor abandoned_runs looks every minute for runs whose process was killed, and marks them failed.
    """

    keep_days: int = Field(90, ge=1, description="Days to keep a run after its end.")
    runs_at_a_time: int = Field(
        5000, ge=1, description="Largest number of runs that one run of the job handles, approximately."
    )
    everybodys_runs: bool = Field(
        default=False, description="Whether runs of other assets and jobs in this Dagster instance are deleted too."
    )
    schedules: Literal["running", "stopped"] = Field(
        "running", description="running: its schedule and sensor start switched on. stopped: they start switched off."
    )

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """The job and the schedule that runs it."""
        tree = context.component_tree

        def whose() -> Whose:
            keys = [key for connection in connections_in(tree) for key in connection.keys]
            keys += [key for found in tree.get_all_components(of_type=JourneyWarehouse) for key in found.keys]
            return Whose(frozenset(keys), everybodys=self.everybodys_runs)

        job = self._job(whose)
        running = self.schedules == "running"
        ticks = Ticks(are_on=running)
        does = f"Lets runs go that ended more than {self.keep_days} days ago."
        schedule = daily(JOB, OLD_RUNS, ticks, does, job=job)
        sensor = abandoned_runs_sensor(ticks.of_sensors)
        return dg.Definitions(jobs=[job], schedules=[schedule], sensors=[sensor])

    def _job(self, whose: Callable[[], Whose]) -> dg.JobDefinition:
        @dg.op(name="forget_old_runs", pool=JOB, description="Deletes old runs, and makes the files smaller.")
        def forget(context: dg.OpExecutionContext) -> None:
            _forget(context, whose(), keep=timedelta(days=self.keep_days), most=self.runs_at_a_time)

        @dg.job(
            name=JOB,
            executor_def=dg.in_process_executor,
            tags={DOES: "forget"},
            description="Lets old runs go from Dagster's history, and makes its SQLite files smaller.",
        )
        def old_runs() -> None:
            forget()

        return old_runs


def _forget(context: dg.OpExecutionContext, whose: Whose, *, keep: timedelta, most: int) -> None:
    before = datetime.now(UTC) - keep
    try:
        forgotten = forget_old_runs(context.instance, whose, before=before, most=most, say=context.log.info)
        compacted = compact_history(context.instance)
    except JourneyError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    except SQLAlchemyError as error:
        said = text_of(getattr(error, "orig", None) or error)  # the driver's words, without the statement
        raise dg.Failure(f"Dagster's history was not free: {said}. The next turn goes on with the rest.") from error
    for file in compacted:
        if file.why_not:
            context.log.warning("%s stays as large as it is until the next turn: %s", file.file, file.why_not)
    context.add_output_metadata(_figures(forgotten, compacted))
    if forgotten.problems:
        named = "\n".join(forgotten.problems[:10])
        raise dg.Failure(f"{len(forgotten.problems)} old runs could not be removed:\n{named}", allow_retries=False)


def _figures(forgotten: Forgotten, compacted: list[Compacted]) -> dict[str, int]:
    return {
        "runs_deleted": forgotten.runs,
        "logs_deleted": forgotten.logs,
        "old_runs_left": forgotten.left,
        "events_of_no_run_deleted": forgotten.events,
        "bytes_freed": forgotten.bytes + sum(file.bytes for file in compacted),
    }
