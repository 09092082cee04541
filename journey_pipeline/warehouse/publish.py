"""`publish`: puts a finished copy of the warehouse where analysts open it.

The copy takes the place of the earlier one by a rename: who has that open keeps it, who opens the path next has the
new one, and neither side ever waits. Not here: reading it (`query.py`).
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import duckdb

from journey_pipeline.errors import WarehouseError
from journey_pipeline.lake.atomic import TEMPORARY_SUFFIX, replacing
from journey_pipeline.lake.disk import refusal
from journey_pipeline.lake.layout import Lake
from journey_pipeline.warehouse.connection import (
    WarehouseSettings,
    published_file,
    reading,
    wal_of,
    warehouse_file,
    writing,
)
from journey_pipeline.warehouse.lock import writer_lock
from journey_pipeline.warehouse.report import PublishReport
from journey_pipeline.warehouse.schema import read_revision

_DEFAULTS = WarehouseSettings()
_COPY_AT_ONCE = 1 << 30


def publish(lake: Lake, settings: WarehouseSettings = _DEFAULTS) -> PublishReport:
    """Puts the warehouse's present state in place as `journeys.duckdb`, unless it is there already.

    Args:
        lake: Whose warehouse.
        settings: What it may use.

    Raises:
        WarehouseError: If there is no warehouse yet, another process keeps writing it, or there is no room.
    """
    with writer_lock(lake, settings.lock_wait_s):
        begun = time.perf_counter()
        source, target = warehouse_file(lake), published_file(lake)
        revision = _settled_revision(source, settings)
        is_new = revision != _published_revision(lake)
        if is_new:
            for leftover in target.parent.glob(f".{target.name}.*{TEMPORARY_SUFFIX}"):
                leftover.unlink()  # what a killed publish left; the lock says that there is no other
            try:
                with replacing(target) as temporary:
                    copy_file(source, temporary)
            except OSError as error:
                raise WarehouseError(
                    f"publishing {target.name} failed: {refusal(error, target.parent)} The earlier one is in place."
                ) from error
        return PublishReport(is_new, target.stat().st_size, time.perf_counter() - begun)


def copy_file(source: Path, target: Path) -> None:
    """Copies a file inside the kernel, where the system can; without copying at all, where the file system shares."""
    if not hasattr(os, "copy_file_range"):
        shutil.copyfile(source, target)
        return
    with source.open("rb") as read, target.open("wb") as write:
        try:
            while os.copy_file_range(read.fileno(), write.fileno(), _COPY_AT_ONCE):
                pass
        except OSError:
            if write.tell() or os.lseek(write.fileno(), 0, os.SEEK_CUR):
                raise
            shutil.copyfileobj(read, write, 1 << 20)  # a file system that can't


def _settled_revision(source: Path, settings: WarehouseSettings) -> str:
    """The warehouse's revision, once the file holds all that is committed and nothing lies in a log beside it."""
    revision = ""
    if source.exists():
        with writing(source, settings) as session:
            session.execute("checkpoint")
            revision = read_revision(session)
    if not revision:
        raise WarehouseError("there is no warehouse to publish yet; run `journey-pipeline sync` first.")
    if wal_of(source).exists():
        raise WarehouseError(
            f"{source.name} has changes outside of it after a checkpoint; run `journey-pipeline sync`."
        )
    return revision


def _published_revision(lake: Lake) -> str | None:
    if not published_file(lake).exists():
        return None
    try:
        with reading(lake, published_file(lake), "500MB", 1) as session:
            return read_revision(session)
    except duckdb.Error:
        return None  # whatever lies there, a new one takes its place
