"""The files of `deploy/compose/`: what runs without Docker is run, and the rest is read by the tools that know it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml

from journey_pipeline.cli.demo import sandbox_environment
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline_tests.clients.installed import need
from journey_pipeline_tests.deploy.composed import FOLDER, Composed, composed, services, variables
from journey_pipeline_tests.exports.conftest import postgres_tool
from journey_pipeline_tests.packages import build_wheel

PLACES = {"storage", "local_artifact_storage", "compute_logs"}
BIN = Path(sys.executable).parent
SANDBOX = variables(FOLDER / "sandbox.env")
ASK = """
import json, sys, urllib.request
body = json.dumps({"query": sys.argv[1], "variables": json.loads(sys.argv[2])}).encode()
asked = urllib.request.Request("http://webserver:3000/graphql", body, {"Content-Type": "application/json"})
print(urllib.request.urlopen(asked).read().decode())
"""
LAUNCH = """
mutation($of: ExecutionParams!) { launchRun(executionParams: $of) {
  ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } ... on InvalidSubsetError { message } } }
"""
STATE = """
query($id: ID!) { runOrError(runId: $id) { ... on Run { status
  eventConnection { events { ... on MessageEvent { message } ... on ErrorEvent { error { message } } } } } } }
"""
HEALTH = """
{ instance { daemonHealth { allDaemonStatuses { daemonType healthy required } } }
  workspaceOrError { ... on Workspace { locationEntries { name locationOrLoadError { __typename } } } } }
"""
SELECTOR = {
    "repositoryLocationName": "journey_pipeline",
    "repositoryName": "__repository__",
    "pipelineName": "__ASSET_JOB",
    "assetSelection": [{"path": ["raw", "sfmc", "journey_history"]}],
}


@pytest.fixture(scope="module")
def running() -> Iterator[Composed]:
    """The services with simulated vendors; not below pytest's folders, which PostgreSQL's user may not enter."""
    made = ["unshare", "--net", "--mount", "sh", "-ec", "ip link set lo up; mount -t tmpfs none /var/lib"]
    if os.geteuid() != 0 or subprocess.run(made, check=False).returncode:
        pytest.skip("the services get a network and mounts of their own, which not every machine lets root make")
    need(postgres_tool("initdb"), "the services need PostgreSQL's server")
    with tempfile.TemporaryDirectory(prefix="jp-compose-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        with composed(Path(folder), SANDBOX) as all_services:
            yield all_services


def ask(running: Composed, query: str, **given: object) -> dict[str, object]:
    done = running.run("webserver", ["python", "-c", ASK, query, json.dumps(given)])
    assert done.returncode == 0, done.stderr
    answer: dict[str, object] = json.loads(done.stdout)["data"]
    return answer


@pytest.mark.slow(reason="starts all services, each a process of Dagster's or ours")
@pytest.mark.timeout(600)  # whatever else the machine does
def test_the_services_find_one_another_and_a_run_goes_from_the_ui_through_the_daemon_into_the_home(
    running: Composed,
) -> None:
    told: Any = ask(running, HEALTH)
    loaded = told["workspaceOrError"]["locationEntries"]
    assert [(one["name"], one["locationOrLoadError"]["__typename"]) for one in loaded] == [
        ("journey_pipeline", "RepositoryLocation")
    ]
    hour = datetime.now(UTC) - timedelta(days=3)
    tags = [{"key": "dagster/partition", "value": f"{hour:%Y-%m-%d-%H}:00"}]
    launched: Any = ask(running, LAUNCH, of={"selector": SELECTOR, "executionMetadata": {"tags": tags}})
    run = launched["launchRun"]["run"]["runId"]
    # It asks the receiver for the ledger's fingerprint, through the address that the vendor calls.
    doctor = running.run("code", ["journey-pipeline", "doctor", "insider"])
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    assert running.eventually(lambda: state_of(running, run)["status"] in {"SUCCESS", "FAILURE"}), running.log("daemon")
    told = state_of(running, run)
    assert told["status"] == "SUCCESS", told["eventConnection"]
    assert (running.folder / f"home/raw/sfmc/journey_history/{hour:%Y-%m-%dT%H}/manifest.json").exists()
    counted = [
        "psql",
        "--username=pipeline",
        "--dbname=dagster",
        "--tuples-only",
        "--command=select count(*) from runs",
    ]
    assert int(running.run("postgres", counted).stdout) > 0


def state_of(running: Composed, run: str) -> Any:
    """The state of a run, and what it has said."""
    answer: Any = ask(running, STATE, id=run)
    return answer["runOrError"]


def test_the_compose_file_follows_the_schema_of_compose(tmp_path: Path) -> None:
    command = [BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", FOLDER / "compose.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"HOME": str(tmp_path)})
    assert done.returncode == 0, done.stdout


def test_the_dockerfile_has_no_fault_that_hadolint_knows() -> None:
    done = subprocess.run([BIN / "hadolint", FOLDER / "Dockerfile"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_image_gets_what_the_dockerfile_copies_which_is_enough_to_build_and_no_secret(tmp_path: Path) -> None:
    allowed = set(re.findall(r"^!(\S+)$", (FOLDER / "Dockerfile.dockerignore").read_text(), re.MULTILINE))
    copied = re.findall(r"^COPY (?!--)(.+) \S+$", (FOLDER / "Dockerfile").read_text(), re.MULTILINE)
    assert {name for line in copied for name in line.split()} == allowed
    for name in allowed:
        source = FOLDER.parents[1] / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    assert build_wheel(tmp_path, tmp_path / "dist").exists()


def test_the_image_runs_what_the_service_of_the_code_runs_and_not_as_root() -> None:
    dockerfile = (FOLDER / "Dockerfile").read_text()
    (command,) = re.findall(r"^CMD (\[.*\])$", dockerfile, re.MULTILINE)
    assert json.loads(command) == services(SANDBOX)["code"]["command"]
    assert re.findall(r"^USER (.*)$", dockerfile, re.MULTILINE) == ["10001:10001"]


def test_every_service_has_a_health_check_and_those_of_the_image_are_confined() -> None:
    found = services(SANDBOX)
    assert {"postgres", "code", "webserver", "daemon", "receiver", "sandbox"} == set(found)
    assert [name for name, service in found.items() if "healthcheck" not in service] == []
    for service in [service for name, service in found.items() if name != "postgres"]:
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    published = [port for service in found.values() for port in service.get("ports", ())]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_only_the_code_has_credentials_of_vendors() -> None:
    secrets = {"SFMC_CLIENT_SECRET", "INSIDER_REQUEST_TOKEN"}
    found = services(SANDBOX)
    assert [name for name, service in found.items() if service.get("env_file")] == ["code"]
    assert [name for name, service in found.items() if secrets & set(service.get("environment", {}))] == []


def test_the_sandboxs_variables_are_those_of_the_simulated_vendors(tmp_path: Path) -> None:
    sandbox = Sandbox(folder=tmp_path)
    sandbox.url = "http://sandbox:8765"
    assert sandbox_environment(sandbox, "http://receiver:8770/hooks").items() <= SANDBOX.items()


def test_without_a_password_the_compose_file_is_refused() -> None:
    with pytest.raises(KeyError, match="POSTGRES_PASSWORD"):
        services({name: value for name, value in SANDBOX.items() if name != "POSTGRES_PASSWORD"})


def test_the_instance_in_containers_differs_from_the_packages_only_in_where_things_lie() -> None:
    ours = yaml.safe_load((FOLDER / "dagster.yaml").read_text())
    package = yaml.safe_load((files("journey_pipeline.components") / "dagster.yaml").read_text())
    assert {name: value for name, value in ours.items() if name not in PLACES} == package


def test_the_example_of_an_environment_names_variables_that_are_described() -> None:
    root = FOLDER.parents[1]
    described = "".join(path.read_text() for path in (root / "docs").rglob("*.md"))
    named = variables(root / ".env.example")
    assert [name for name in named if f"`{name}`" not in described and f"{name}=" not in described] == []
    asked = set(re.findall(r"\$\{(\w+):\?", (FOLDER / "compose.yaml").read_text()))
    assert asked <= set(named)
    assert {name for name, value in named.items() if value} == set()
