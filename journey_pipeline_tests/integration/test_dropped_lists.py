"""Lists of people through Dagster and the command line: dropped, seen by the sensor, taken in, in the warehouse."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
from click.testing import CliRunner, Result

from journey_pipeline.cli.commands import backfill, doctor, intake, status
from journey_pipeline.components.deployment import Deployment, load_deployment
from journey_pipeline.components.runs import Runner
from journey_pipeline.errors import ConfigError
from journey_pipeline_tests.integration.recorded import materialization
from journey_pipeline_tests.projects import make_project

pytestmark = pytest.mark.slow(reason="a deployment of its own")

LIST = "Profile ID,Email,Loyalty Tier\n1.a,ada@example.com,gold\n"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("lists"), "insider", package="lists_shop")


@pytest.fixture(scope="module")
def deployment(shop: Path) -> Iterator[Deployment]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(shop)
        yield load_deployment(shop)


@pytest.fixture
def incoming(home: Path) -> Path:
    folder = home / "inbox" / "insider" / "profiles" / "incoming"
    folder.mkdir(parents=True)
    return folder


def drop(incoming: Path, content: str, name: str, **told_too: Any) -> None:
    """With its hash, so that it is whole at once."""
    (incoming / name).write_text(content)
    told = {"sha256": hashlib.sha256(content.encode()).hexdigest(), "exported_at": "2026-11-19T10:00:00Z", **told_too}
    (incoming / f"{name}.json").write_text(json.dumps(told))


def tick(runner: Runner) -> Any:
    repository = runner.deployment.definitions.get_repository_def()
    with dg.build_sensor_context(instance=runner.instance, repository_def=repository) as context:
        return repository.get_sensor_def("insider_profiles").evaluate_tick(context)


def take_in(runner: Runner) -> dg.ExecuteInProcessResult:
    job = runner.deployment.definitions.resolve_job_def("insider_profiles_intake")
    return job.execute_in_process(instance=runner.instance, raise_on_error=False)


def run(shop: Path, monkeypatch: pytest.MonkeyPatch, command: Any, *arguments: str) -> Result:
    monkeypatch.chdir(shop)
    return CliRunner().invoke(command, arguments)


def test_the_sensor_takes_in_what_is_whole_and_shows_it_at_the_partition(runner: Runner, incoming: Path) -> None:
    assert tick(runner).run_requests == []
    (incoming / "half.csv.part").write_text("Profile")
    assert tick(runner).run_requests == []
    drop(incoming, LIST, "list.csv")
    assert len(tick(runner).run_requests) == 1
    assert take_in(runner).success
    (assets,) = runner.deployment.streams("insider/user_profiles")
    for asset in (assets.raw, assets.events):
        assert materialization(runner, asset, "2026-11-19")["landed"].value == 1
    assert tick(runner).run_requests == []


def checked(runner: Runner, partition: str) -> tuple[bool, str, dg.AssetCheckSeverity]:
    """The newest evaluation of the check of lists, for a partition."""
    (assets,) = runner.deployment.streams("insider/user_profiles")
    key = dg.AssetCheckKey(assets.events, "lists_are_as_told")
    (newest,) = runner.instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
    found = newest.event.dagster_event.asset_check_evaluation_data if newest.event else None
    assert found is not None
    assert found.partition == partition
    return found.passed, str(found.description), found.severity


ODD = LIST.replace("ada@example.com", "a***@example.com")


def test_what_is_odd_about_a_list_is_in_a_check_in_status_and_in_the_warehouse(
    home: Path, shop: Path, runner: Runner, incoming: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(incoming, LIST, "list.csv")
    assert take_in(runner).success
    assert checked(runner, "2026-11-19")[0]
    drop(incoming, ODD, "odd.csv", users=1834)
    assert run(shop, monkeypatch, intake, "insider").exit_code == 0
    passed, says, severity = checked(runner, "2026-11-19")
    assert (passed, severity) == (False, dg.AssetCheckSeverity.WARN)
    assert says.startswith("it has 1 rows, and the panel counted 1,834 users; 1 values are masked")
    told = run(shop, monkeypatch, status, "insider/user_profiles", "--json")
    (row,) = json.loads(told.stdout)
    assert [(one["partition"], one["check"]) for one in row["warned"]] == [("2026-11-19", "lists_are_as_told")]
    assert "lists_are_as_told does not hold" in " ".join(told.output.split())
    with duckdb.connect(str(home / "journeys.duckdb"), read_only=True) as session:
        found = session.execute("select masked, warnings from ops.partitions where stream = 'user_profiles'")
        assert found.fetchall() == [(1, ["it has 1 rows, and the panel counted 1,834 users"])]


def test_a_refused_list_fails_the_run_with_its_reason(runner: Runner, incoming: Path) -> None:
    drop(incoming, "City\nLondon\n", "bad.csv")
    drop(incoming, LIST, "good.csv")
    ended = take_in(runner)
    (failure,) = [event.step_failure_data for event in ended.all_events if event.is_step_failure]
    assert "bad.csv: refused. none of its 1 columns" in str(failure.user_failure_data.description)
    assert (incoming.parent / "done" / "good.csv").exists()


def test_the_command_takes_lists_in_up_to_the_published_warehouse(
    home: Path, shop: Path, incoming: Path, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert deployment
    assert "no file was dropped lately" in " ".join(run(shop, monkeypatch, doctor, "insider").output.split())
    drop(incoming, LIST, "list.csv")
    assert run(shop, monkeypatch, intake, "insider").exit_code == 0
    assert "of the newest 1 partitions 1 have landed" in " ".join(
        run(shop, monkeypatch, doctor, "insider").output.split()
    )
    with duckdb.connect(str(home / "journeys.duckdb"), read_only=True) as session:
        found = session.execute("select attribute_id, attribute_name, value from core.profile_attributes order by 1")
        assert found.fetchall() == [("c_loyalty_tier", "Loyalty Tier", "gold"), ("email", "Email", "ada@example.com")]
    drop(incoming, "City\nLondon\n", "bad.csv")
    assert run(shop, monkeypatch, intake, "insider").exit_code == 1
    assert run(shop, monkeypatch, intake, "insider").exit_code == 0


def test_lists_can_not_be_asked_for(
    home: Path, shop: Path, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert home
    assert deployment
    asked = run(shop, monkeypatch, backfill, "insider/user_profiles").exception
    assert isinstance(asked, ConfigError)
    assert "load it with `journey-pipeline intake insider`" in str(asked)
    planned = run(shop, monkeypatch, backfill, "insider", "--plan", "--from", "2026-11-18", "--to", "2026-11-19")
    assert "insider/user_events" in planned.output
    assert "user_profiles" not in planned.output
