"""The Component of Dagster's history and its settings: for how many days runs are kept, and when old ones are deleted.

Not here: which runs are old and what goes (`old_runs.py`), giving room back (`instance.py`).
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Literal

import dagster as dg
from pydantic import Field
from sqlalchemy.exc import SQLAlchemyError

from journey_pipeline.components.connection import connections_in
from journey_pipeline.components.instance import Compacted, compact_history
from journey_pipeline.components.old_runs import Forgotten, Whose, forget_old_runs
from journey_pipeline.components.runs import abandoned_runs_sensor
from journey_pipeline.components.warehouse import JourneyWarehouse
from journey_pipeline.errors import JourneyError, text_of

JOB = "old_runs"


class JourneyRunHistory(dg.Component, dg.Model, dg.Resolvable):
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
            return Whose(frozenset(keys), JOB, everybodys=self.everybodys_runs)

        job = self._job(whose)
        running = self.schedules == "running"
        schedule = dg.ScheduleDefinition(
            name=JOB,
            job=job,
            cron_schedule="50 3 * * *",
            execution_timezone="UTC",
            default_status=dg.DefaultScheduleStatus.RUNNING if running else dg.DefaultScheduleStatus.STOPPED,
            description=f"Lets runs go that ended more than {self.keep_days} days ago.",
        )
        sensor = abandoned_runs_sensor(dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED)
        return dg.Definitions(jobs=[job], schedules=[schedule], sensors=[sensor])

    def _job(self, whose: Callable[[], Whose]) -> dg.JobDefinition:
        @dg.op(name="forget_old_runs", pool=JOB, description="Deletes old runs, and makes the files smaller.")
        def forget(context: dg.OpExecutionContext) -> None:
            _forget(context, whose(), keep=timedelta(days=self.keep_days), most=self.runs_at_a_time)

        @dg.job(
            name=JOB,
            executor_def=dg.in_process_executor,
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
