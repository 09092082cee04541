"""The configured connections, for commands that start no run: without Dagster where their settings can be read so.

Not here: connections with their assets, for commands that start runs (`components/deployment.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from journey_pipeline.connections.project import read_connections

if TYPE_CHECKING:
    from journey_pipeline.connections.connection import Connection


def configured() -> Sequence[Connection]:
    """The connections of the deployment in the working directory.

    Raises:
        ConfigError: If a `defs.yaml` is wrong; says which and why.
    """
    found = read_connections(Path.cwd())
    if found is None:  # Dagster is imported only then
        found = import_module("journey_pipeline.components.deployment").load_deployment().connections
    return found
