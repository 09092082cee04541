"""Alerts of failed runs and red checks: one function that sends them, and the sensors that call it.

By default an alert is a line in the log; with `JOURNEY_PIPELINE_ALERT_URL` set it is also sent there as JSON. It holds
no person's data and no secret. A red check alerts by itself, so a new alert is a new check. Not here: the checks
(`recording.py`, `standing_checks.py`, `warehouse.py`).
"""

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import takewhile
from typing import Any
from urllib.parse import urlsplit

import dagster as dg
from dagster._core.storage.tags import PARTITION_NAME_TAG as PARTITION_TAG
from dagster._core.storage.tags import WILL_RETRY_TAG
from pydantic import Field

from journey_pipeline.components.described import Described
from journey_pipeline.components.runs import is_told_by_us, sentence_of
from journey_pipeline.components.translator import RANGE_END, RANGE_START
from journey_pipeline.errors import JourneyError, TransientVendorError, text_of
from journey_pipeline.transport.client import HttpClient
from journey_pipeline.transport.retry import RetryPolicy, Timeouts

URL_VARIABLE = "JOURNEY_PIPELINE_ALERT_URL"
LONGEST_TEXT = 2000
SENDING_S = 30.0  # for all that one run has to tell: Dagster gives a sensor a minute
KILLED = "terminated by signal"  # how Dagster words it
NAMED = 5  # partitions of which an alert tells one by one

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that a person should know.

    Attributes:
        title: One line.
        text: What happened and what to do.
        severity: `error` or `warn`.
        facts: Run, asset, check, partition, where they apply.
    """

    title: str
    text: str
    severity: str
    facts: dict[str, str] = field(default_factory=dict)


def send_alert(alert: Alert, *, within_s: float = SENDING_S) -> bool:
    """Writes an alert to the log, and sends it if there is somewhere to; gives whether it was sent.

    A failure is logged, not raised.
    """
    log.warning("%s: %s", alert.title, alert.text)
    url = os.environ.get(URL_VARIABLE, "").strip()
    if not url:
        return False
    parts = urlsplit(url)
    path = url.removeprefix(f"{parts.scheme}://{parts.netloc}") or "/"
    policy = RetryPolicy(attempts=3, first_wait_s=1.0, deadline_s=within_s)
    try:
        if within_s <= 0:
            raise TransientVendorError("earlier alerts used up the time")
        with HttpClient(
            vendor="alert",
            connection="alerts",
            base_url=f"{parts.scheme}://{parts.netloc}",
            policy=policy,
            timeouts=Timeouts(connect_s=5, first_byte_s=10, idle_s=10),
            secrets=(path, url),
        ) as client:
            client.send("POST", path, json=asdict(alert))
    except (JourneyError, ValueError) as error:
        log.error("an alert could not be sent to %s (%s): %s", parts.hostname, URL_VARIABLE, text_of(error))  # noqa: TRY400
        return False
    return True


def send_alerts(alerts: Iterable[Alert], *, clock: Callable[[], float] = time.monotonic) -> None:
    """Sends what one run has to tell, within the minute that Dagster gives a sensor.

    A sensor that takes longer is asked of the same run again, and never comes to the next one.
    """
    over_at = clock() + SENDING_S
    for alert in alerts:
        send_alert(alert, within_s=over_at - clock())


class JourneyAlerts(Described, dg.Component):
    """Alerts for failed runs and failed checks of the whole deployment.

    Each alert is a line in the daemon's log. If JOURNEY_PIPELINE_ALERT_URL is set, it is also posted there, as JSON
    with title, text, severity and facts.
    """

    warnings: bool = Field(default=True, description="Whether checks that fail as a warning raise an alert too.")

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002 - the base class's signature
        """One sensor for failed runs, one for failed checks of runs that went well."""
        warnings = self.warnings

        @dg.run_failure_sensor(
            name="alert_of_failed_runs",
            default_status=dg.DefaultSensorStatus.RUNNING,
            description="Alerts of each failed run, and of the checks that failed in it.",
        )
        def failed_runs(context: dg.RunFailureSensorContext) -> None:
            send_alerts([_of_run(context), *_of_checks(context, warnings=warnings)])

        @dg.run_status_sensor(
            name="alert_of_failed_checks",
            run_status=dg.DagsterRunStatus.SUCCESS,
            default_status=dg.DefaultSensorStatus.RUNNING,
            description="Alerts of each check that failed in a run that went well.",
        )
        def failed_checks(context: dg.RunStatusSensorContext) -> None:
            send_alerts(_of_checks(context, warnings=warnings))

        return dg.Definitions(sensors=[failed_runs, failed_checks])


def _of_run(context: dg.RunFailureSensorContext) -> Alert:
    run = context.dagster_run
    steps = [event.step_failure_data for event in context.get_step_failure_events()]
    text = "\n".join(_reason(data) for data in steps) or _reason_outside_of_steps(context)
    noted_since = context.instance.get_run_by_id(run.run_id) or run  # the daemon decides it as the run fails
    if noted_since.tags.get(WILL_RETRY_TAG) == "true":
        text += "\nDagster starts it again by itself."
    return Alert(
        title=f"run {run.run_id[:8]} of {_what(run)} failed",
        text=text[:LONGEST_TEXT],
        severity="error",
        facts={"run": run.run_id, **_partition_of(run)},
    )


def _what(run: dg.DagsterRun) -> str:
    """The job; of a run without one its first asset, or what a command started."""
    if not run.job_name.startswith("__"):
        return run.job_name
    made = sorted(key.to_user_string() for key in run.asset_selection or ()) or list(run.step_keys_to_execute or ())
    return " and ".join([*made[:1], *([f"{len(made) - 1} more"] if len(made) > 1 else [])]) or run.job_name


def _partition_of(run: dg.DagsterRun) -> dict[str, str]:
    first, last = (run.tags.get(tag) for tag in (RANGE_START, RANGE_END))
    partition = run.tags.get(PARTITION_TAG) or (f"{first} to {last}" if first != last else first)
    return {"partition": partition} if partition else {}


def _reason(data: Any) -> str:  # Dagster does not export the type
    """The reason in a step's error. Texts of others' errors may hold personal data, so only their class is shown."""
    if data.user_failure_data and data.user_failure_data.description:
        return str(data.user_failure_data.description)
    if is_told_by_us(error := data.error):
        return sentence_of(error)
    while error.cause:
        error = error.cause
    return f"{error.cls_name}: see the run's log"


def _reason_outside_of_steps(context: dg.RunFailureSensorContext) -> str:
    """Why a run failed of which no step did: its process ended, or never came so far."""
    said = context.failure_event.message or "the run failed"
    kinds = {dg.DagsterEventType.ENGINE_EVENT, dg.DagsterEventType.RUN_FAILURE}
    records = context.instance.get_records_for_run(context.dagster_run.run_id, of_type=kinds).records
    events = [event for record in records if (event := record.event_log_entry.dagster_event)]
    before = takewhile(lambda event: event.event_type is dg.DagsterEventType.ENGINE_EVENT, events)
    why = [event.message or "" for event in before if event.engine_event_data.error or KILLED in (event.message or "")]
    return " ".join([*why[-1:], said, "See the run's log."])


def _of_checks(context: dg.RunStatusSensorContext, *, warnings: bool) -> Iterator[Alert]:
    """One alert for each check, however many partitions it failed of: a run over a month is one piece of news."""
    run_id = context.dagster_run.run_id
    red: dict[tuple[str, str, bool], list[dg.AssetCheckEvaluation]] = {}
    records = context.instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION).records
    for record in records:
        event = record.event_log_entry.dagster_event
        given = event.asset_check_evaluation_data if event else None
        if given and not given.passed:
            key = given.asset_key.to_user_string(), given.check_name, given.severity is dg.AssetCheckSeverity.WARN
            red.setdefault(key, []).append(given)
    for (asset, check, is_warning), found in red.items():
        if is_warning and not warnings:
            continue
        partitions = [given.partition for given in found if given.partition]
        named = {"partition": _named(partitions)} if partitions else {}
        yield Alert(
            title=f"{asset}: {check} does not hold",
            text=_says(found),
            severity="warn" if is_warning else "error",
            facts={"run": run_id, "asset": asset, "check": check, **named},
        )


def _named(partitions: Sequence[str]) -> str:
    more = f" and {len(partitions) - NAMED} more" if len(partitions) > NAMED else ""
    return ", ".join(sorted(partitions)[:NAMED]) + more


def _says(found: Sequence[dg.AssetCheckEvaluation]) -> str:
    """The descriptions of a check for its first partitions."""
    if len(found) == 1:
        return (found[0].description or "")[:LONGEST_TEXT]
    found = sorted(found, key=lambda given: given.partition or "")
    lines = [f"{given.partition}: {given.description or ''}" for given in found[:NAMED]]
    more = [f"and {len(found) - NAMED} more"] if len(found) > NAMED else []
    return "\n".join([*lines, *more])[:LONGEST_TEXT]
