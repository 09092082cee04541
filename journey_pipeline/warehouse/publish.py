"""`publish`: puts a finished copy of the warehouse where analysts open it.

The copy takes the place of the earlier one by a rename: who has that open keeps it, who opens the path next has the
new one, and neither side ever waits. Not here: reading it (`questions.py`).
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from journey_pipeline.errors import WarehouseError
from journey_pipeline.files import TEMPORARY_SUFFIX, flush_dir, refusal, replacing
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.signature import signature
from journey_pipeline.warehouse.connection import (
    WarehouseSettings,
    published_file,
    wal_of,
    warehouse_file,
    writer_lock,
    writing,
)
from journey_pipeline.warehouse.soundness import (
    Content,
    Publication,
    find_fault,
    find_other_file,
    find_published_fault,
    publication_note,
)
from journey_pipeline.warehouse.update import PublishReport

_DEFAULTS = WarehouseSettings()
_COPY_AT_ONCE = 1 << 30
_READ_ONLY = 0o444  # a client that opens it as DuckDB does by default would lock all others out


def publish(lake: Lake, settings: WarehouseSettings = _DEFAULTS) -> PublishReport:
    """Puts the warehouse's present state in place as `journeys.duckdb`, unless it is there already.

    Raises:
        WarehouseError: If there is no warehouse yet, another process keeps writing it, or there is no room.
    """
    with writer_lock(lake, settings.lock_wait_s):
        begun = time.perf_counter()
        target = published_file(lake)
        content = _settled_content(warehouse_file(lake), settings)
        set_aside = ", ".join(filter(None, map(_set_log_aside, (warehouse_file(lake), target))))
        noted = Publication.read(lake)
        is_level = noted is not None and noted.content == content
        fault = find_published_fault(lake) if is_level else find_other_file(lake)
        is_new = fault is not None or not is_level
        if is_new:
            _put(lake, target, content)
            if problem := find_published_fault(lake):
                raise WarehouseError(f"{target.name} differs from the published copy: {problem}.")
        return PublishReport(is_new, target.stat().st_size, time.perf_counter() - begun, set_aside, fault or "")


def _put(lake: Lake, target: Path, content: Content) -> None:
    """Copies the warehouse, looks at the copy, and only then lets it take the earlier one's place."""
    for file in (target, publication_note(lake)):
        for leftover in file.parent.glob(f".{file.name}.*{TEMPORARY_SUFFIX}"):
            leftover.unlink()  # what a killed publish left; the lock says that there is no other
    try:
        with replacing(target) as temporary:
            copy_file(warehouse_file(lake), temporary)
            temporary.chmod(_READ_ONLY)
            if fault := find_fault(lake, temporary, content):
                raise WarehouseError(
                    f"publishing {target.name} failed: the copy {fault}. The earlier file stays in place; run "
                    "`journey-pipeline rebuild`."
                )
        placed = signature(target)
        if placed:
            Publication(placed, content).write(lake)
    except OSError as error:
        raise WarehouseError(
            f"publishing {target.name} failed: {refusal(error, target.parent)} The earlier file stays in place."
        ) from error


def _set_log_aside(target: Path) -> str:
    """Moves a log that another program left beside a file, because the file can't be opened with it.

    A log of our own is in the file once that has been settled, and gone.

    Returns:
        How it is named now; empty if there was none.

    Raises:
        WarehouseError: If it can't be moved.
    """
    foreign = wal_of(target)
    if not foreign.exists():
        return ""
    kept = target.with_name(f"{target.name}.foreign-wal")
    try:
        foreign.replace(kept)
        flush_dir(target.parent)
    except OSError as error:
        raise WarehouseError(
            f"{foreign.name}, which another program left beside {target.name}, can't be moved away: "
            f"{refusal(error, target.parent)}"
        ) from error
    return kept.name


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


def _settled_content(source: Path, settings: WarehouseSettings) -> Content:
    """What the warehouse holds, once all that is committed is in the file."""
    content = Content("", 0, {})
    if source.exists():
        with writing(source, settings) as session:
            session.execute("checkpoint")
            content = Content.of(session)
    if not content.revision:
        raise WarehouseError("there is no warehouse to publish yet; run `journey-pipeline sync` first.")
    return content
