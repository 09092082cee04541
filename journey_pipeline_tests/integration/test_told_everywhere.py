"""A red claim of a load shows in its last lines, its exit code, `status`, the asset's check and the alert."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from journey_pipeline.components.deployment import load_deployment
from journey_pipeline.components.instance import open_instance
from journey_pipeline.components.runs import Runner
from journey_pipeline.model import Granularity, floor
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline_tests.bad_input.bad_vendor import BadVendor, bad_vendor, row, table
from journey_pipeline_tests.cli.terminal import Terminal
from journey_pipeline_tests.crash.commands import CommandServer
from journey_pipeline_tests.integration.recorded import checks
from journey_pipeline_tests.integration.test_alerts import Inbox, inbox, sensor_alerts
from journey_pipeline_tests.projects import NOW, make_project

pytestmark = pytest.mark.slow(reason="a terminal, and Dagster's runs beside it")

__all__ = ["inbox"]
HOUR = floor(NOW, Granularity.HOUR) - timedelta(days=2)
LOAD = ("backfill", "sfmc", "--from", f"{HOUR:%Y-%m-%dT%H}", "--to", f"{HOUR + timedelta(hours=1):%Y-%m-%dT%H}")
TOLD = f"sfmc/journey_history {HOUR:%Y-%m-%dT%H} events_differ does not hold: 12 records are 1 events"


@pytest.fixture
def vendor() -> Iterator[BadVendor]:
    with bad_vendor() as vendor:
        at = f"{HOUR:%Y-%m-%dT%H}:30:00Z"
        vendor.gives(table([row(1, TransactionTime=at, CreatedDate=at)] * 12), rows=12)
        yield vendor


@pytest.fixture
def terminal(tmp_path: Path, vendor: BadVendor, sandbox: Sandbox, command_server: CommandServer) -> Terminal:
    folder = make_project(tmp_path, "sfmc", package="told_shop")
    return Terminal(command_server, sandbox, folder, vendor.environment())


def test_a_red_claim_is_told_in_all_five_places(
    terminal: Terminal, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = terminal(*LOAD)
    assert loaded.code == 1
    assert TOLD in loaded.err
    code, (status,) = terminal.status()
    assert (code, [one["check"] for one in status["red"]]) == (1, ["events_differ"])
    assert TOLD in terminal("status").err

    monkeypatch.setenv("JOURNEY_PIPELINE_HOME", str(terminal.home))
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.syspath_prepend(terminal.folder)
    with open_instance() as instance:  # before all else of Dagster, which would look for the last test's
        deployment = load_deployment(terminal.folder)
        (assets,) = deployment.streams("sfmc")
        runner = Runner(deployment, instance)
        recorded = checks(runner, assets, f"{HOUR:%Y-%m-%d-%H:00}")["events_differ"]
        assert (recorded.passed, recorded.severity) == (False, dg.AssetCheckSeverity.ERROR)
        run = next(run for run in instance.get_runs() if "sfmc__journey_history" in str(run.step_keys_to_execute))
        sensor_alerts(runner, "alert_of_failed_checks", run.run_id)
        look = deployment.definitions.resolve_job_def("sfmc__journey_history_redness")
        (standing,) = look.execute_in_process(instance=instance).get_asset_check_evaluations()
        assert (standing.passed, standing.severity) == (False, dg.AssetCheckSeverity.ERROR)
        assert f"{HOUR:%Y-%m-%dT%H} events_differ: 12 records are 1 events" in (standing.description or "")
    (posted,) = inbox.posted
    assert (posted["severity"], posted["facts"]["check"]) == ("error", "events_differ")
    assert "12 records are 1 events" in jsonlib.dumps(posted)
