"""Failed runs and failed checks come to one function, which may post them and never fails anybody."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import dagster as dg
import pytest
from dagster._core.events import EngineEventData
from dagster_shared.error import SerializableErrorInfo

from journey_pipeline.components.alerts import Alert, send_alert, send_alerts
from journey_pipeline.components.load_assets import LoadAssets
from journey_pipeline.components.runs import Runner
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline_tests.integration.truth import hours_ago

ALERT = Alert("a title", "a text", "error", {"run": "r"})


class Inbox(ThreadingHTTPServer):
    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.posted: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hooks/very-secret-path"


class _Handler(BaseHTTPRequestHandler):
    server: Inbox

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posted.append(json.loads(body))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's signature
        """Keeps quiet."""


@pytest.fixture
def inbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Inbox]:
    with Inbox() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setenv("JOURNEY_PIPELINE_ALERT_URL", server.url)
        monkeypatch.setenv("JOURNEY_PIPELINE_NO_WAITING", "1")
        yield server
        server.shutdown()
        thread.join()


def test_without_an_address_an_alert_is_a_line_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("JOURNEY_PIPELINE_ALERT_URL", raising=False)
    with caplog.at_level(logging.WARNING):
        assert send_alert(ALERT) is False
    assert "a title: a text" in caplog.text


def test_with_an_address_an_alert_is_posted_as_json(inbox: Inbox) -> None:
    assert send_alert(ALERT) is True
    assert inbox.posted == [{"title": "a title", "text": "a text", "severity": "error", "facts": {"run": "r"}}]


@pytest.mark.parametrize("status", [500, 404])
def test_an_alert_that_can_not_be_sent_fails_nobody_and_tells_no_secret(
    inbox: Inbox, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    inbox.status = status
    assert send_alert(ALERT) is False
    assert "could not be sent" in caplog.text
    assert "very-secret-path" not in caplog.text


@pytest.mark.parametrize("url", ["nonsense", "http://127.0.0.1:9/closed", "ftp://127.0.0.1/x"])
def test_a_wrong_address_fails_nobody(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, url: str
) -> None:
    monkeypatch.setenv("JOURNEY_PIPELINE_ALERT_URL", url)
    monkeypatch.setenv("JOURNEY_PIPELINE_NO_WAITING", "1")
    assert send_alert(ALERT) is False
    assert "JOURNEY_PIPELINE_ALERT_URL" in caplog.text


def sensor_alerts(runner: Runner, name: str, run_id: str) -> None:
    """Evaluates one of the alerting sensors for a run."""
    instance = runner.instance
    run = instance.get_run_by_id(run_id)
    assert run is not None
    event = instance.get_records_for_run(run_id).records[-1].event_log_entry.dagster_event
    assert event is not None
    sensor = runner.deployment.definitions.get_repository_def().get_sensor_def(name)
    context = dg.build_run_status_sensor_context(
        sensor_name=name, dagster_instance=instance, dagster_run=run, dagster_event=event
    )
    given = context.for_run_failure() if name == "alert_of_failed_runs" else context
    sensor(given)


@pytest.mark.slow(reason="a run of Dagster")
def test_a_failed_run_alerts_with_what_its_step_said(
    runner: Runner, assets: LoadAssets, sandbox: Sandbox, inbox: Inbox
) -> None:
    sandbox.faults.add("download:503")
    outcome = runner.load(assets, hours_ago(6, 2), pull=True, only_missing=True)
    sensor_alerts(runner, "alert_of_failed_runs", outcome.run_id)
    (posted,) = inbox.posted
    assert "2 of 2 partitions failed" in posted["text"]
    first, last = (f"{hour.start:%Y-%m-%d-%H:%M}" for hour in hours_ago(6, 2))
    assert posted["facts"] == {"run": outcome.run_id, "partition": f"{first} to {last}"}
    assert "of sfmc__journey_history_load failed" in posted["title"]
    assert "sandbox-secret" not in json.dumps(posted)


@pytest.mark.slow(reason="a run of Dagster")
def test_a_failed_check_of_a_run_that_went_well_alerts_with_its_partition(
    runner: Runner, assets: LoadAssets, sandbox: Sandbox, inbox: Inbox
) -> None:
    sandbox.options.sfmc.estimate_drift_rows = 1
    outcome = runner.load(assets, hours_ago(48, 1), pull=True, only_missing=True)
    assert outcome.succeeded
    sensor_alerts(runner, "alert_of_failed_checks", outcome.run_id)
    assert [each["facts"]["check"] for each in inbox.posted] == ["rows_match_estimate"]
    (posted,) = inbox.posted
    assert posted["severity"] == "error"
    assert posted["facts"]["check"] == "rows_match_estimate"
    assert posted["facts"]["partition"].endswith(":00")


@pytest.mark.slow(reason="a run of Dagster")
def test_a_check_that_failed_of_many_partitions_is_one_alert(
    runner: Runner, assets: LoadAssets, sandbox: Sandbox, inbox: Inbox
) -> None:
    sandbox.options.sfmc.estimate_drift_rows = 1
    hours = hours_ago(48, 7)
    outcome = runner.load(assets, hours, pull=True, only_missing=True)
    sensor_alerts(runner, "alert_of_failed_checks", outcome.run_id)
    (posted,) = inbox.posted
    assert posted["facts"]["partition"].startswith(f"{hours[0].start:%Y-%m-%d-%H:%M}, ")
    assert posted["facts"]["partition"].endswith(" and 2 more")
    assert posted["text"].count("estimated") == 5
    assert posted["text"].endswith("and 2 more")


def test_alerts_that_take_long_leave_the_sensor_its_time(inbox: Inbox, caplog: pytest.LogCaptureFixture) -> None:
    send_alerts([ALERT, ALERT, ALERT], clock=iter([0.0, 0.0, 29.0, 31.0]).__next__)
    assert len(inbox.posted) == 2
    assert "earlier alerts used up the time" in caplog.text


def test_a_run_whose_process_could_not_begin_says_why_and_that_it_is_started_again(
    runner: Runner, inbox: Inbox
) -> None:
    run = dg.DagsterRun(job_name="sfmc__journey_history_load", tags={"dagster/will_retry": "true"})
    runner.instance.add_run(run)
    broken = SerializableErrorInfo("its text", [], "ImportError")
    runner.instance.report_engine_event("Could not load job definition.", run, EngineEventData(error=broken))
    runner.instance.report_run_failed(run)
    runner.instance.report_engine_event("Failed to retry run", run, EngineEventData(error=broken))
    sensor_alerts(runner, "alert_of_failed_runs", run.run_id)
    (posted,) = inbox.posted
    assert "of sfmc__journey_history_load failed" in posted["title"]
    assert posted["text"].startswith("Could not load job definition. ")
    assert posted["text"].endswith("Dagster starts it again by itself.")


@pytest.mark.slow(reason="a run of Dagster")
def test_the_words_of_an_error_that_is_not_ours_are_in_no_alert(runner: Runner, inbox: Inbox) -> None:
    @dg.asset
    def broken() -> None:
        raise ValueError("could not convert ann@example.org")

    outcome = dg.materialize([broken], instance=runner.instance, raise_on_error=False)
    sensor_alerts(runner, "alert_of_failed_runs", outcome.run_id)
    (posted,) = inbox.posted
    assert "ValueError: see the run's log" in posted["text"]
    assert "ann@" not in json.dumps(posted)
