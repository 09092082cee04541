"""A home as the first commands leave it: a warehouse without events, and a history of no runs.

To make their tables takes longer than most of what tests do with them, and to copy them next to nothing. Not here: what
a first command does, which has tests of its own (`warehouse/test_warehouse_sync.py`, `test_readme.py`).
"""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import pytest

from journey_pipeline.lake.layout import Lake
from journey_pipeline.warehouse.connection import warehouse_file
from journey_pipeline.warehouse.sync import sync


@cache
def _warehouse() -> bytes:
    with tempfile.TemporaryDirectory() as home:
        sync(Lake(Path(home)))
        return warehouse_file(Lake(Path(home))).read_bytes()


@cache
def _history() -> dict[Path, bytes]:
    from journey_pipeline.components.instance import open_instance  # noqa: PLC0415 - few modules need Dagster

    with tempfile.TemporaryDirectory() as home, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", "")
        patch.setenv("JOURNEY_PIPELINE_HOME", home)
        with open_instance():
            pass
        return {file.relative_to(home): file.read_bytes() for file in Path(home).rglob("*") if file.is_file()}


def put_warehouse(home: Path) -> Path:
    """Puts a warehouse without events into a home, which is made if need be."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    warehouse_file(Lake(home)).write_bytes(_warehouse())
    return home


def put_history(home: Path) -> Path:
    """Puts Dagster's folder, as it is before the first run, into a home, which is made if need be."""
    for name, content in _history().items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_bytes(content)
    return home
