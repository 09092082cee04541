"""Removing what crashes and broken downloads left behind: what never landed whole, past an age.

An attempt that carries its own notes landed whole. It is never removed, whether a manifest names it or not; a manifest
that lacks it is made again. Not here: removing what landed. Nothing in the project does that but `forget`.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from journey_pipeline.errors import LakeError
from journey_pipeline.files import LANDING_LOCK, TEMPORARY_FILES, exclusive, naming_disk_troubles
from journey_pipeline.lake.landing import NOTE, is_attempt, lacks_attempts, restore_landing
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import LandingManifest
from journey_pipeline.lake.marks import restore_marks
from journey_pipeline.model import StreamKey, is_partition, partition_window

log = logging.getLogger(__name__)

_ROOTS = ("raw", "events", "rejects", "attributes", "populations", "evidence", "dimensions", "drift", "cache/survey")


@dataclass(frozen=True, slots=True)
class Swept:
    """The result of a sweep.

    Attributes:
        removed: The leftovers that it removed, sorted.
        restored: The partitions whose manifest it made again, as folders, sorted.
        marked: Those that lie in another one's answer and whose manifest says so again, as folders, sorted.
        unclear: Why places were left alone: a manifest can't be understood, and no notes say what it held, or the disk
            refused.
    """

    removed: tuple[Path, ...]
    restored: tuple[Path, ...]
    unclear: tuple[str, ...] = ()
    marked: tuple[Path, ...] = ()


def sweep(lake: Lake, vendor: str, connection: str, older_than: datetime) -> Swept:
    """Removes leftovers of one connection in which nothing has been written since a time.

    A running download writes all the time, and so does a backup that is copied back, so that a limit some hours back
    never meets one.

    Args:
        lake: What is swept: attempt folders without notes that no manifest names, temporary files, the folder for work.
        older_than: Leftovers that were last written to before this are removed; aware.
    """
    limit = older_than.timestamp()
    removed: list[Path] = []
    restored: list[Path] = []
    unclear: list[str] = []
    partitions = _partitions(lake, connection)
    marked: list[Path] = []
    for stream in sorted({partition.parent for partition in partitions}):
        with _noting(unclear, stream):
            key = StreamKey(vendor, connection, stream.name)
            marked += [stream / partition for partition in restore_marks(lake, key, unclear.append)]
    for partition in partitions:
        with _noting(unclear, partition):
            if _restore(lake, vendor, partition):
                restored.append(partition)
            removed += _sweep_attempts(partition, limit)
    for path in [*_temporary_files(lake, connection), *_children(lake.work_dir)]:
        with _noting(unclear, path):
            removed += [path] if _remove_if_older(path, limit) else []
    return Swept(tuple(sorted(removed)), tuple(restored), tuple(unclear), tuple(marked))


@contextmanager
def _noting(unclear: list[str], path: Path) -> Iterator[None]:
    """Notes why a place could not be swept, so that the sweep goes on with the others."""
    try:
        with naming_disk_troubles(f"sweeping {path}", path):
            yield
    except LakeError as error:
        unclear.append(str(error))


def _partitions(lake: Lake, connection: str) -> list[Path]:
    folders = sorted((lake.home / "raw" / connection).glob("*/*"))
    return [path for path in folders if path.is_dir() and is_partition(path.name)]


def _restore(lake: Lake, vendor: str, partition: Path) -> bool:
    """Makes a manifest again that lacks an attempt which landed whole, as where a backup was copied back."""
    key, name = StreamKey(vendor, partition.parent.parent.name, partition.parent.name), partition.name
    try:
        if not lacks_attempts(lake, key, name):
            return False
    except LakeError as error:
        log.warning("%s", error)
    restore_landing(lake, key, partition_window(name))
    return not lacks_attempts(lake, key, name)


def _sweep_attempts(partition: Path, limit: float) -> list[Path]:
    # Under the manifest's lock, so that an attempt that is being added is either named already or not looked at yet.
    with exclusive(partition / LANDING_LOCK):
        manifest = LandingManifest.read(partition / "manifest.json")
        named = {attempt.attempt for attempt in manifest.attempts} if manifest else set()
        folders = [path for path in _children(partition) if is_attempt(path) and path.name not in named]
        return [path for path in folders if not (path / NOTE).exists() and _remove_if_older(path, limit)]


def _temporary_files(lake: Lake, connection: str) -> Iterator[Path]:
    for root in _ROOTS:
        yield from (lake.home / root / connection).rglob(TEMPORARY_FILES)
    yield from (lake.home / "exports").glob(TEMPORARY_FILES)


def _children(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _remove_if_older(path: Path, limit: float) -> bool:
    try:
        newest = max(_last_written(one) for one in (path, *path.rglob("*")))
    except FileNotFoundError:  # another process finished with it or removed it
        return False
    if newest >= limit:
        return False
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    return True


def _last_written(path: Path) -> float:
    # A copy keeps the time of what it was copied from; the other time says when it came here.
    found = path.lstat()
    return max(found.st_mtime, found.st_ctime)
