from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from journey_pipeline.lake.layout import Lake
from journey_pipeline.warehouse.connection import warehouse_file
from journey_pipeline.warehouse.sync import sync
from journey_pipeline_tests.warehouse.crashing import CrashServer
from journey_pipeline_tests.warehouse.made_lake import MadeLake


@pytest.fixture(scope="session")
def new_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse without events: to make its tables takes longer than most syncs, and to copy it next to nothing."""
    lake = Lake(tmp_path_factory.mktemp("new_warehouse"))
    sync(lake)
    return warehouse_file(lake)


@pytest.fixture
def never_synced(tmp_path: Path) -> MadeLake:
    """A lake without files and without a warehouse."""
    return MadeLake(tmp_path / "home")


@pytest.fixture
def made(tmp_path: Path, new_warehouse: Path) -> MadeLake:
    """A lake without files, its warehouse made before."""
    made = MadeLake(tmp_path / "home")
    made.lake.home.mkdir()
    shutil.copyfile(new_warehouse, warehouse_file(made.lake))
    return made


@pytest.fixture(scope="session")
def crash_server() -> Iterator[CrashServer]:
    with CrashServer() as server:
        yield server
