"""One Dagster instance for all, and the two files that describe it say the same."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest
import yaml

from journey_pipeline.components.instance import open_instance, use_dagster_home

ROOT = Path(__file__).parents[2]
PLACES = {"storage", "local_artifact_storage", "compute_logs"}


def test_the_projects_file_and_the_packages_file_differ_only_in_where_things_lie() -> None:
    project = yaml.safe_load((ROOT / "dagster.yaml").read_text())
    package = yaml.safe_load((files("journey_pipeline.components") / "dagster.yaml").read_text())
    assert {name: value for name, value in project.items() if name not in PLACES} == package


def test_the_projects_file_puts_the_history_where_the_command_line_does() -> None:
    project = yaml.safe_load((ROOT / "dagster.yaml").read_text())
    assert project["storage"]["sqlite"]["base_dir"] == "data/dagster"


def test_without_dagster_home_the_history_lies_under_our_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.setenv("JOURNEY_PIPELINE_HOME", str(tmp_path))
    assert use_dagster_home() == tmp_path / "dagster"
    with open_instance() as instance:
        assert instance.root_directory == str(tmp_path / "dagster")
        assert instance.telemetry_enabled is False
    assert (tmp_path / "dagster" / "history").is_dir()


def test_dagster_home_wins_and_is_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "own"))
    monkeypatch.setenv("JOURNEY_PIPELINE_HOME", str(tmp_path / "home"))
    assert use_dagster_home() == tmp_path / "own"
    assert list((tmp_path / "own").iterdir()) == []


def test_a_changed_configuration_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.setenv("JOURNEY_PIPELINE_HOME", str(tmp_path))
    (tmp_path / "dagster").mkdir()
    (tmp_path / "dagster" / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    use_dagster_home()
    assert (tmp_path / "dagster" / "dagster.yaml").read_text() == "telemetry: {enabled: false}\n"
