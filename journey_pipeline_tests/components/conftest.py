"""A Dagster project of its own, and Dagster's command run there."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from journey_pipeline_tests.projects import make_project


@pytest.fixture
def another_project(tmp_path: Path) -> Path:
    """A Dagster project that only installs the package."""
    return make_project(tmp_path, "brand_b")


@pytest.fixture
def dg_in() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `dg` in a folder."""

    def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PYTHONPATH": str(folder),
            "COLUMNS": "200",
            "DAGSTER_DG_CLI_TELEMETRY": "0",
        }
        command = [sys.executable, "-m", "dagster_dg_cli.cli", *arguments]
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)

    return run
