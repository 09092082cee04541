"""A `defs.yaml` that is wrong, as commands tell it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from journey_pipeline.components.deployment import Deployment, load_deployment
from journey_pipeline.connections.project import read_connections
from journey_pipeline.errors import ConfigError
from journey_pipeline_tests.projects import make_project


def used(deployment: Deployment) -> object:
    return deployment.connections


def built(deployment: Deployment) -> object:
    return deployment.definitions


@pytest.mark.parametrize(
    ("wrong", "use", "told"),
    [
        ("  translaton: 1\n", used, r"attributes\.translaton at .*defs\.yaml:\d+"),
        ("  requests_per_second: fast\n", used, r"sfmc\[0\]: .* fast"),
        ("  reconcile_sample: -1\n", used, r"sfmc\[0\]: attributes\.reconcile_sample at .*:\d+ is -1: [^\n]*$"),
        (
            "  filters: {statuses: [Broken]}\n",
            used,
            r"attributes\.filters\.[A-Za-z]+\.statuses\.0 at .* is 'Broken': [^\n]*$",
        ),
        ("  normalize_memory: lots\n", used, "normalize_memory"),
        (" x: : 1\n", used, 'defs.yaml", line'),
        ('  translation: {key: "{{ data.nme }}"}\n', built, "no attribute 'nme'"),
        ("  translation: {key: all}\n", built, "depends on itself"),
        ("  translation: {owners: [nobody]}\n", built, "Invalid owner 'nobody'"),
    ],
    ids=[
        "an unknown setting",
        "a word for a number",
        "a count below zero",
        "an unknown status",
        "no size",
        "no YAML",
        "an unknown fact",
        "one key",
        "no owner",
    ],
)
def test_a_wrong_file_is_a_fault_of_the_configuration_and_says_what_is_wrong(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    wrong: str,
    use: Callable[[Deployment], object],
    told: str,
) -> None:
    package = tmp_path.name  # a process loads each project under a name of its own
    folder = make_project(tmp_path, "sfmc", package=package)
    file = folder / package / "defs/sfmc/defs.yaml"
    file.write_text(file.read_text() + wrong)
    monkeypatch.syspath_prepend(folder)
    with pytest.raises(ConfigError, match=f"(?s)the configuration can't be loaded; .*{told}"):
        use(load_deployment(folder))


def test_the_name_of_a_connection_and_its_memory_may_come_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_project(tmp_path, "sfmc", package=tmp_path.name)
    file = folder / tmp_path.name / "defs/sfmc/defs.yaml"
    text = file.read_text().replace("connection: sfmc", 'connection: "{{ env.SHOP_NAME }}"')
    file.write_text(text + '  normalize_memory: "{{ env.SHOP_MEMORY }}"\n')
    monkeypatch.setenv("SHOP_NAME", "sfmc_shop")
    monkeypatch.setenv("SHOP_MEMORY", "300MB")
    monkeypatch.syspath_prepend(folder)
    for found in (load_deployment(folder).connections, read_connections(folder)):
        assert found
        assert [(one.connection, one.normalize_memory) for one in found] == [("sfmc_shop", "300MB")]
