"""Removing what crashes and broken downloads left behind: files that no manifest names, past an age.

Not here: removing what landed. Nothing in the project does that but retention and `forget`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from journey_pipeline.lake.atomic import TEMPORARY_SUFFIX
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.locking import LANDING_LOCK, exclusive
from journey_pipeline.lake.manifest import LandingManifest


def sweep(lake: Lake, older_than: datetime) -> list[Path]:
    """Removes leftovers in which nothing has been written since a time.

    A running download writes all the time, so that a limit some hours back never meets one.

    Args:
        lake: What is swept: attempt folders that no manifest names, temporary files, the folder for work.
        older_than: Leftovers that were last written to before this are removed; aware.

    Returns:
        What was removed, sorted.

    Raises:
        LakeError: If a landing manifest can't be understood; its partition is left alone.
    """
    limit = older_than.timestamp()
    removed = [path for partition in _partitions(lake) for path in _sweep_attempts(partition, limit)]
    candidates = [*_temporary_files(lake), *_children(lake.work_dir)]
    removed += [path for path in candidates if _remove_if_older(path, limit)]
    return sorted(removed)


def _partitions(lake: Lake) -> Iterator[Path]:
    yield from (path for path in sorted((lake.home / "raw").glob("*/*/*")) if path.is_dir())


def _sweep_attempts(partition: Path, limit: float) -> list[Path]:
    # Under the manifest's lock, so that an attempt that is being added is either named already or not looked at yet.
    with exclusive(partition / LANDING_LOCK):
        manifest = LandingManifest.read(partition / "manifest.json")
        named = {attempt.attempt for attempt in manifest.attempts} if manifest else set()
        leftovers = [path for path in _children(partition) if path.is_dir() and path.name not in named]
        return [path for path in leftovers if _remove_if_older(path, limit)]


def _temporary_files(lake: Lake) -> Iterator[Path]:
    for root in ("raw", "events", "rejects", "attributes", "dimensions", "exports"):
        yield from (lake.home / root).rglob(f".*{TEMPORARY_SUFFIX}")


def _children(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _remove_if_older(path: Path, limit: float) -> bool:
    try:
        newest = max(one.lstat().st_mtime for one in (path, *path.rglob("*")))
    except FileNotFoundError:  # somebody else finished with it or removed it
        return False
    if newest >= limit:
        return False
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    return True
