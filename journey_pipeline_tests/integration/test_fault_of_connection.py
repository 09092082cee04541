"""What Dagster shows of a fault that is the connection's own: one sentence, one call, no order burnt after another."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import dagster as dg
import pytest

from journey_pipeline.components.deployment import Deployment, load_deployment
from journey_pipeline.components.load_assets import LoadAssets
from journey_pipeline.components.runs import Runner
from journey_pipeline.exports.database import open_ledger
from journey_pipeline.exports.turns import listed
from journey_pipeline.model import Window
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.settings import ledger_url
from journey_pipeline_tests.integration.truth import TODAY
from journey_pipeline_tests.projects import make_project

pytestmark = pytest.mark.slow(reason="runs through Dagster")


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = make_project(tmp_path_factory.mktemp("at_fault"), "sfmc", "apsis", package="at_fault")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield load_deployment(folder)


def test_a_wrong_secret_is_one_sentence_of_a_run_of_many_hours(
    runner: Runner, deployment: Deployment, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SFMC_CLIENT_SECRET", "not-it")
    (assets,) = deployment.streams("sfmc")
    hours = [Window(at, at + timedelta(hours=1)) for at in (TODAY - timedelta(hours=n) for n in range(200, 0, -1))]
    outcome = runner.load(assets, hours, pull=True, only_missing=True)
    assert outcome.says.endswith("Check SFMC_CLIENT_ID, SFMC_CLIENT_SECRET and SFMC_ACCOUNT_ID.")
    assert runner.faults == [outcome.says]
    logs = runner.instance.all_logs(outcome.run_id)
    assert not [log for log in logs if "answered 401" in log.user_message]  # beside the failure itself
    assert [log.dagster_event_type for log in logs].count(dg.DagsterEventType.STEP_FAILURE) == 1
    assert sandbox.calls.count("token") == 1


def test_one_order_is_stopped_and_the_others_wait_until_a_person_has_mended_the_secret(
    runner: Runner, deployment: Deployment, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APSIS_REQUESTS_PER_SECOND", "500")
    assets = next(one for one in deployment.streams("apsis") if one.stream.key.stream == "profile_events")
    for days in (9, 7, 5):
        order(assets, days)
    monkeypatch.setenv("APSIS_CLIENT_SECRET", "not-it")
    first = tick(runner)
    assert [asked.job_name for asked in first.run_requests] == ["apsis__profile_events_exports_check"]
    told = tick(runner, cursor=first.cursor).skip_message
    assert "answered 401" in told
    assert told.endswith("Check APSIS_CLIENT_ID and APSIS_CLIENT_SECRET.")
    assert states() == ["stopped: rejected", "wanted", "wanted"]
    monkeypatch.setenv("APSIS_CLIENT_SECRET", sandbox.environment()["APSIS_CLIENT_SECRET"])
    order(assets, 9, again=True)
    tick(runner)
    assert "stopped" not in " ".join(states())
    assert "wanted" not in states()


def test_a_variable_that_lacks_is_a_sentence_of_each_tick(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("APSIS_URL")
    assert "APSIS_URL not set" in tick(runner).skip_message


def order(assets: LoadAssets, days: int, *, again: bool = False) -> None:
    start = TODAY - timedelta(days=days)
    with assets.open_exports() as exports:
        list(exports.want(assets.stream, [Window(start, start + timedelta(days=1))], again=again))


def tick(runner: Runner, cursor: str | None = None) -> Any:
    repository = runner.deployment.definitions.get_repository_def()
    with dg.build_sensor_context(instance=runner.instance, repository_def=repository, cursor=cursor) as context:
        return repository.get_sensor_def("apsis_exports").evaluate_tick(context)


def states() -> list[str]:
    with open_ledger(ledger_url()) as ledger:
        return [export.standing for export in sorted(listed(ledger, with_ended=True), key=lambda export: export.id)]
