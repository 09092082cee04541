"""A `defs.yaml` that is wrong, as commands tell it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from journey_pipeline.components.deployment import Deployment, load_deployment
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
        ("  normalize_memory: lots\n", used, "normalize_memory"),
        (" x: : 1\n", used, 'defs.yaml", line'),
        ('  translation: {key: "{{ data.nme }}"}\n', built, "no attribute 'nme'"),
        ("  translation: {key: all}\n", built, "depends on itself"),
        ("  translation: {owners: [nobody]}\n", built, "Invalid owner 'nobody'"),
    ],
    ids=["an unknown setting", "a word for a number", "no size", "no YAML", "an unknown fact", "one key", "no owner"],
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
