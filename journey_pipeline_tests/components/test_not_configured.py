"""A connection none of whose variables are set: its schedules and sensors skip, and nothing of it fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from journey_pipeline.components.deployment import Deployment, load_deployment
from journey_pipeline.components.load_assets import LoadAssets
from journey_pipeline.errors import ConfigError
from journey_pipeline.settings import variable_name
from journey_pipeline_tests.projects import NOW, make_project

CONNECTIONS = ("apsis", "insider", "layerfive", "sfmc")
DROPPED = "insider_profiles"  # files are taken in without the vendor


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = make_project(tmp_path_factory.mktemp("nothing_set"), *CONNECTIONS, package="nothing_set")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield load_deployment(folder)


@pytest.fixture
def _nothing_is_set(deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNEY_PIPELINE_HOME", str(tmp_path))
    for one in deployment.connections:
        for field in (*one.required_variables, *one.optional_variables):
            monkeypatch.delenv(variable_name(one.connection, field), raising=False)


def ticks(deployment: Deployment) -> dict[str, str | None]:
    """What each schedule and sensor of a connection says at one tick."""
    repository = deployment.definitions.get_repository_def()
    said = {}
    with dg.DagsterInstance.ephemeral() as instance:
        for schedule in repository.schedule_defs:
            at = dg.build_schedule_context(instance, repository_def=repository, scheduled_execution_time=NOW)
            said[schedule.name] = schedule.evaluate_tick(at).skip_message
        for sensor in repository.sensor_defs:
            if sensor.name.startswith(CONNECTIONS):
                now = dg.build_sensor_context(instance, repository_def=repository, sensor_name=sensor.name)
                said[sensor.name] = sensor.evaluate_tick(now).skip_message
    return {name: says for name, says in said.items() if name.startswith(CONNECTIONS)}


@pytest.mark.usefixtures("_nothing_is_set")
def test_every_schedule_and_sensor_of_it_skips_with_one_sentence(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = ticks(deployment)
    assert told.pop(DROPPED) == "no whole file lies in incoming/"
    dropped = {name for name in told if name.startswith("insider__user_profiles")}
    for name, says in told.items():
        if name not in dropped:
            connection = name.split("_", maxsplit=1)[0]
            assert says, name
            assert says.startswith(f"{connection} is not configured: none of its variables are set. To load it, set ")
            assert variable_name(connection, deployment.connection(connection).required_variables[-1]) in says
    monkeypatch.setenv("APSIS_CLIENT_ID", "shop")
    deployed = [one for one in deployment.connections if one.why_not_configured()]
    assert {one.connection for one in deployed} == {"insider", "layerfive", "sfmc"}


@pytest.mark.usefixtures("_nothing_is_set")
def test_one_of_its_variables_makes_the_others_that_lack_an_error(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APSIS_CLIENT_ID", "shop")
    assets: LoadAssets = deployment.streams("apsis/email_events")[0]
    with pytest.raises(ConfigError, match="APSIS_URL, APSIS_CLIENT_SECRET not set"):
        assets.open_source()


@pytest.mark.usefixtures("_nothing_is_set")
def test_variables_that_are_gone_after_something_landed_are_an_error(deployment: Deployment, tmp_path: Path) -> None:
    (tmp_path / "raw" / "sfmc" / "journey_history").mkdir(parents=True)
    (tmp_path / "raw" / "insider" / "user_profiles").mkdir(parents=True)
    configured = {one.connection for one in deployment.connections if not one.why_not_configured()}
    assert configured == {"sfmc"}, "files that people drop need no variables"
