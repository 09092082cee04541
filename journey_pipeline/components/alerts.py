"""Alerts: one plain function that everything that goes wrong comes to, and the sensors that call it.

By default an alert is a line in the log; with `JOURNEY_PIPELINE_ALERT_URL` set it is also sent there as JSON. It holds
no person's data and no secret. Not here: what goes wrong (`checks.py`, `completeness.py`).
"""

import logging
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from urllib.parse import urlsplit

import dagster as dg
from pydantic import Field

from journey_pipeline.errors import JourneyError, text_of
from journey_pipeline.transport.client import HttpClient
from journey_pipeline.transport.retry import RetryPolicy
from journey_pipeline.transport.timeouts import Timeouts

URL_VARIABLE = "JOURNEY_PIPELINE_ALERT_URL"
LONGEST_TEXT = 2000

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


def send_alert(alert: Alert) -> bool:
    """Writes an alert to the log, and sends it if there is somewhere to.

    Returns:
        Whether it was sent. That it can't be sent is logged, and never an error of whoever calls.
    """
    log.warning("%s: %s", alert.title, alert.text)
    url = os.environ.get(URL_VARIABLE, "").strip()
    if not url:
        return False
    parts = urlsplit(url)
    path = url.removeprefix(f"{parts.scheme}://{parts.netloc}") or "/"
    policy = RetryPolicy(attempts=3, first_wait_s=1.0, deadline_s=20.0)
    try:
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


class JourneyAlerts(dg.Component, dg.Model, dg.Resolvable):
    """Alerts for failed runs and failed checks of the whole deployment.

    An alert is a line in the daemon's log; with JOURNEY_PIPELINE_ALERT_URL set it is also posted there as JSON with
    title, text, severity and facts.
    """

    warnings: bool = Field(default=True, description="Whether a failed check that is only a warning alerts too.")

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002 - the base class's signature
        """One sensor for failed runs, one for failed checks of runs that went well."""
        warnings = self.warnings

        @dg.run_failure_sensor(
            name="alert_of_failed_runs",
            default_status=dg.DefaultSensorStatus.RUNNING,
            description="Alerts of each failed run, and of the checks that failed in it.",
        )
        def failed_runs(context: dg.RunFailureSensorContext) -> None:
            send_alert(_of_run(context))
            for alert in _of_checks(context, warnings=warnings):
                send_alert(alert)

        @dg.run_status_sensor(
            name="alert_of_failed_checks",
            run_status=dg.DagsterRunStatus.SUCCESS,
            default_status=dg.DefaultSensorStatus.RUNNING,
            description="Alerts of each check that failed in a run that went well.",
        )
        def failed_checks(context: dg.RunStatusSensorContext) -> None:
            for alert in _of_checks(context, warnings=warnings):
                send_alert(alert)

        return dg.Definitions(sensors=[failed_runs, failed_checks])


def _of_run(context: dg.RunFailureSensorContext) -> Alert:
    said = [
        event.step_failure_data.user_failure_data.description or ""
        for event in context.get_step_failure_events()
        if event.step_failure_data.user_failure_data
    ]
    text = "\n".join(said) or context.failure_event.message or "the run failed"
    return Alert(
        title=f"run {context.dagster_run.run_id[:8]} failed",
        text=text[:LONGEST_TEXT],
        severity="error",
        facts={"run": context.dagster_run.run_id},
    )


def _of_checks(context: dg.RunStatusSensorContext, *, warnings: bool) -> Iterator[Alert]:
    run_id = context.dagster_run.run_id
    records = context.instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION).records
    for record in records:
        event = record.event_log_entry.dagster_event
        given = event.asset_check_evaluation_data if event else None
        if given is None or given.passed:
            continue
        is_warning = given.severity is dg.AssetCheckSeverity.WARN
        if is_warning and not warnings:
            continue
        facts = {"run": run_id, "asset": given.asset_key.to_user_string(), "check": given.check_name}
        if given.partition:
            facts["partition"] = given.partition
        yield Alert(
            title=f"{given.asset_key.to_user_string()}: {given.check_name} does not hold",
            text=(given.description or "")[:LONGEST_TEXT],
            severity="warn" if is_warning else "error",
            facts=facts,
        )
