from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from journey_pipeline_tests.new_home import put_warehouse
from journey_pipeline_tests.warehouse.crashing import CrashServer
from journey_pipeline_tests.warehouse.made_lake import MadeLake


@pytest.fixture
def never_synced(tmp_path: Path) -> MadeLake:
    """A lake without files and without a warehouse."""
    return MadeLake(tmp_path / "home")


@pytest.fixture
def made(tmp_path: Path) -> MadeLake:
    """A lake without files, its warehouse made before."""
    return MadeLake(put_warehouse(tmp_path / "home"))


@pytest.fixture(scope="session")
def crash_server() -> Iterator[CrashServer]:
    with CrashServer() as server:
        yield server
