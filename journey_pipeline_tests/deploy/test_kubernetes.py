"""The files of `deploy/kubernetes/`: nothing of them is run; they are held against what the chart takes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from journey_pipeline import __version__
from journey_pipeline_tests.deploy.composed import services, variables

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy/kubernetes"
VALUES = yaml.safe_load((FOLDER / "values.yaml").read_text())
KEYS = yaml.safe_load((Path(__file__).parent / "helm_keys.yaml").read_text())
SANDBOX = variables(ROOT / "deploy/compose/sandbox.env")
(DEPLOYED,) = VALUES["dagster-user-deployments"]["deployments"]


def unknown(values: Any, keys: Any, at: str = "") -> Iterator[str]:
    """The values whose names the chart does not have."""
    if keys == "any":
        return
    if isinstance(keys, list):
        for value in values:
            yield from unknown(value, keys[0], at)
        return
    for name, value in values.items():
        if name not in keys:
            yield f"{at}{name}"
        else:
            yield from unknown(value, keys[name], f"{at}{name}.")


def test_the_chart_has_every_value_that_is_set() -> None:
    assert list(unknown(VALUES, KEYS)) == []
    assert list(unknown({"dagsterDaemon": {"sensor": 1}, "telemetri": 2}, KEYS)) == [
        "dagsterDaemon.sensor",
        "telemetri",
    ]


def test_values_and_page_deploy_this_version() -> None:
    texts = (FOLDER / "values.yaml").read_text() + (ROOT / "docs/deploy.md").read_text()
    assert set(re.findall(r"journey_pipeline:(\d[\d.]+\d)", texts)) == {__version__}
    assert DEPLOYED["image"]["tag"] == __version__


def test_the_values_set_the_instance_as_the_packages_file_does() -> None:
    instance = yaml.safe_load((ROOT / "journey_pipeline/components/dagster.yaml").read_text())
    daemon, limits = VALUES["dagsterDaemon"], VALUES["concurrency"]
    monitoring, retries = instance["run_monitoring"], instance["run_retries"]
    assert limits["runs"]["maxConcurrentRuns"] == instance["concurrency"]["runs"]["max_concurrent_runs"]
    assert list(limits["pools"].values()) == list(instance["concurrency"]["pools"].values())
    assert list(daemon["runMonitoring"].values()) == list(monitoring.values())
    assert list(daemon["runRetries"].values()) == list(retries.values())
    for name in ("sensors", "schedules"):
        assert list(daemon[name].values()) == list(instance[name].values())
    assert VALUES["retention"]["schedule"]["purgeAfterDays"] == instance["retention"]["schedule"]["purge_after_days"]
    assert VALUES["pythonLogs"]["managedPythonLoggers"] == instance["python_logs"]["managed_python_loggers"]


def test_the_pod_runs_the_commands_of_the_compose_file() -> None:
    composed = services(SANDBOX)
    code = composed["code"]["command"]
    where = [word for word in code if word not in {"--host", "0.0.0.0", "--port", "4000"}][3:]  # noqa: S104 - as written
    assert [word.replace("-", "_") for word in DEPLOYED["dagsterApiGrpcArgs"]] == [
        word.replace("-", "_") for word in where
    ]
    (receiver,) = DEPLOYED["sidecarContainers"]
    assert receiver["args"][:-1] == composed["receiver"]["command"][:-1]
    assert receiver["image"] == "{repository}:{tag}".format(**DEPLOYED["image"])


def test_volumes_and_receiver_are_those_that_the_pod_has() -> None:
    manifests = list(yaml.safe_load_all((FOLDER / "volumes-and-receiver.yaml").read_text()))
    claims = {one["metadata"]["name"] for one in manifests if one["kind"] == "PersistentVolumeClaim"}
    assert claims == {
        volume["persistentVolumeClaim"]["claimName"]
        for volume in DEPLOYED["volumes"]
        if "persistentVolumeClaim" in volume
    }
    (service,) = (one for one in manifests if one["kind"] == "Service")
    assert service["spec"]["selector"]["deployment"] == DEPLOYED["name"]
    assert service["spec"]["ports"][0]["targetPort"] == DEPLOYED["sidecarContainers"][0]["ports"][0]["containerPort"]
    assert DEPLOYED["deploymentStrategy"] == {"type": "Recreate"}
