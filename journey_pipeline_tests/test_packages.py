"""The archives of a release hold what they should, and what guards a commit runs what the Makefile runs.

Not here: that an installed wheel works where nothing else of the project is (`cli/test_demo.py`).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from datetime import date
from email.parser import Parser
from pathlib import Path

import pytest

import journey_pipeline
from journey_pipeline_tests.packages import ROOT, build_source, build_wheel

VERSION = journey_pipeline.__version__

pytestmark = pytest.mark.xdist_group("packages")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_source(tmp_path_factory.mktemp("source"))


def tracked() -> set[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=False, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("only git says which files are the project's")
    return set(listed.stdout.splitlines())


def test_the_source_archive_holds_every_file_of_the_project(source: Path) -> None:
    packed = {str(path.relative_to(source)) for path in source.rglob("*") if path.is_file()}
    assert tracked() - packed == set()
    assert {"constraints.txt", "docs/operations.md", "PKG-INFO"} <= packed


def test_the_wheel_holds_the_package_and_nothing_else(source: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(build_wheel(source, tmp_path / "wheel")) as packed:
        names = [name for name in packed.namelist() if ".dist-info/" not in name]
        (described,) = (name for name in packed.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(packed.read(described).decode())
    ours = {name for name in tracked() if name.startswith("journey_pipeline/")}
    assert set(names) == ours
    assert metadata["Version"] == VERSION
    assert {"bench", "dev", "postgres"} <= set(metadata.get_all("Provides-Extra") or ())


def test_the_newest_release_of_the_changelog_is_the_version_and_has_a_date() -> None:
    headings = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "Unreleased"
    release = re.fullmatch(r"(\S+) \((\d{4}-\d\d-\d\d)\)", headings[1])
    assert release
    assert release[1] == VERSION
    assert date.fromisoformat(release[2]) > date(2026, 1, 1)


def test_what_runs_before_a_commit_is_what_make_lint_runs(tmp_path: Path) -> None:
    """In a repository whose Makefile says what was asked of it."""
    shutil.copy(ROOT / ".pre-commit-config.yaml", tmp_path)
    (tmp_path / "Makefile").write_text("lint types:\n\t@echo $@ >> asked\n")
    for command in ("git init --quiet", "git add --all"):
        subprocess.run(command.split(), cwd=tmp_path, check=True)
    hooks = [sys.executable, "-m", "pre_commit", "run", "--all-files", "--hook-stage"]
    for stage in ("pre-commit", "pre-push"):
        environment = os.environ | {"PRE_COMMIT_HOME": str(tmp_path / "kept")}
        subprocess.run([*hooks, stage], cwd=tmp_path, env=environment, check=True, capture_output=True)
    assert (tmp_path / "asked").read_text().split() == ["lint", "types"]


def test_the_workflow_of_hosted_ci_is_one(tmp_path: Path) -> None:
    workflow = ROOT / ".github/workflows/ci.yml"
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(workflow)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | {"HOME": str(tmp_path)}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    targets = (ROOT / "Makefile").read_text()
    ran = [line.split("run:")[1].split() for line in workflow.read_text().splitlines() if "- run:" in line]
    made = [target for words in ran if words[0] == "make" for target in words[1:]]
    assert made
    assert [target for target in made if f"\n{target}:" not in targets] == []
    assert [".ci/run"] in ran
