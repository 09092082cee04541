"""The command in a terminal: a process of its own, in a project of its own, against the sandbox."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline_tests.projects import make_project

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with serve(World(rows_per_hour=60, contacts=100, steady=True)) as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Dagster project of somebody who installed the package."""
    return make_project(tmp_path_factory.mktemp("terminal"), "sfmc")


@pytest.fixture(scope="module")
def command(sandbox: Sandbox, folder: Path) -> Command:
    """Runs `journey-pipeline` with arguments; keyword arguments change the environment, None takes a name out."""

    def run(*arguments: str, **changes: str | None) -> subprocess.CompletedProcess[str]:
        environment: dict[str, str | None] = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "COLUMNS": "160",
            "JOURNEY_PIPELINE_HOME": str(folder / "home"),
            "SFMC_REQUESTS_PER_SECOND": "500",
            "PYTHONWARNINGS": "error::ResourceWarning",
            **sandbox.environment(),
            **changes,
        }
        return subprocess.run(
            [sys.executable, "-m", "journey_pipeline.cli.main", *arguments],
            cwd=folder,
            env={name: value for name, value in environment.items() if value is not None},
            capture_output=True,
            text=True,
            check=False,
        )

    return run
