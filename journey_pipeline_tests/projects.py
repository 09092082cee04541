"""Dagster projects in folders of their own, which only install the package, and the present in which tests use them.

The present is always the same: whatever hour, day or month the machine's clock strikes meanwhile, they strike here
only where a test wants it. Their history begins shortly before it, so that a survey has little to look at.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import journey_pipeline

NOW = datetime(2026, 11, 20, 12, 20, tzinfo=UTC)

PYPROJECT = """
[project]
name = "shop"
version = "0"
dependencies = ["journey-pipeline"]
[tool.dg]
directory_type = "project"
[tool.dg.project]
root_module = "{package}"
code_location_name = "{package}"
"""
DEFINITIONS = """
from pathlib import Path
import dagster as dg

@dg.definitions
def defs():
    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
"""
# Runs wait on the machine's clock: polls are not to be far apart, and what never comes is not waited for.
SETTINGS: dict[str, dict[str, Any]] = {
    "insider": {"check_receiver": "false"},  # its own tests have one
    "sfmc": {"start": '"2026-10-01-00:00"'},
    "apsis": {"longest_poll_wait_seconds": 0.2, "overdue_after_hours": 0.02},
}
OURS = Path(journey_pipeline.__file__).parent / "defs"
WAREHOUSE = "type: journey_pipeline.components.JourneyWarehouse\n"
RUN_HISTORY = "type: journey_pipeline.components.JourneyRunHistory\n"
ALERTS = "type: journey_pipeline.components.JourneyAlerts\n"


def make_project(folder: Path, *connections: str, package: str = "shop", start: datetime | None = None) -> Path:
    """Writes a project with a connection of each name and a warehouse; its history starts in 2026, or as is said.

    A connection's vendor is the first word of its name; Salesforce where that is none. Projects that one process loads
    need packages of different names.
    """
    files = {
        "pyproject.toml": PYPROJECT.format(package=package),
        f"{package}/__init__.py": "",
        f"{package}/definitions.py": DEFINITIONS,
        f"{package}/defs/__init__.py": "",
        f"{package}/defs/warehouse/defs.yaml": WAREHOUSE,
        f"{package}/defs/run_history/defs.yaml": RUN_HISTORY,
        f"{package}/defs/alerts/defs.yaml": ALERTS,
        **{f"{package}/defs/{name}/defs.yaml": _definition(name, start) for name in connections},
    }
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


def _definition(connection: str, start: datetime | None) -> str:
    """As this project configures the vendor, with a history that starts in 2026 and settings for tests."""
    vendor = connection.partition("_")[0]
    vendor = vendor if (OURS / vendor).exists() else "sfmc"
    component = re.findall(r"^type: .*$", (OURS / vendor / "defs.yaml").read_text(), re.MULTILINE)[0]
    settings = {"connection": connection, "start": '"2026-01-01-00:00"'} | SETTINGS.get(vendor, {})
    if start:
        settings["start"] = f'"{start:%Y-%m-%d-%H:%M}"'
    return "\n".join([component, "attributes:", *(f"  {name}: {value}" for name, value in settings.items()), ""])
