"""Dagster projects in folders of their own, and its command run there."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PYPROJECT = """
[project]
name = "shop"
version = "0"
dependencies = ["journey-pipeline"]
[tool.dg]
directory_type = "project"
[tool.dg.project]
root_module = "shop"
code_location_name = "shop"
"""
DEFINITIONS = """
from pathlib import Path
import dagster as dg

@dg.definitions
def defs():
    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
"""
SFMC = """
type: journey_pipeline.components.SfmcJourneyHistory
attributes:
  connection: brand_b
  start: "2026-11-01-00:00"
"""
WAREHOUSE = "type: journey_pipeline.components.JourneyWarehouse\n"


@pytest.fixture
def another_project(tmp_path: Path) -> Path:
    """A Dagster project that only installs the package."""
    files = {
        "pyproject.toml": PYPROJECT,
        "shop/__init__.py": "",
        "shop/definitions.py": DEFINITIONS,
        "shop/defs/brand_b/defs.yaml": SFMC,
        "shop/defs/warehouse/defs.yaml": WAREHOUSE,
    }
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return tmp_path


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
