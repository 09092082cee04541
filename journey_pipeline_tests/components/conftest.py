"""A Dagster project of its own, and Dagster's command run there."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from journey_pipeline_tests.crash.commands import CommandServer, Ended, Request
from journey_pipeline_tests.projects import make_project


@pytest.fixture
def another_project(tmp_path: Path) -> Path:
    """A Dagster project that only installs the package."""
    return make_project(tmp_path, "brand_b")


@pytest.fixture
def dg_in(dg_server: CommandServer) -> Callable[..., Ended]:
    """Runs `dg` in a folder."""

    def run(folder: Path, *arguments: str) -> Ended:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PYTHONPATH": str(folder),
            "COLUMNS": "200",
            "DAGSTER_DG_CLI_TELEMETRY": "0",
        }
        return dg_server.run(Request(arguments, environment, folder))

    return run
