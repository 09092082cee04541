"""A disk that is small enough to be filled up, or that nobody may write: a mount of its own, which takes root."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

DISK_BYTES = 64 << 20
RESERVE_BYTES = 64 << 10  # for folders and lock files


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Mounts a small disk at a folder, which is made."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk takes root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(disk: Path, room_bytes: int) -> Path:
    """Fills a disk up to some room with a file, and gives that."""
    filler = disk / "filler"
    free = shutil.disk_usage(disk).free
    filler.write_bytes(bytes(max(0, free - room_bytes - RESERVE_BYTES)))
    return filler


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Inside the block nobody may write in a folder, not even root."""
    if subprocess.run(["mount", "--bind", str(folder), str(folder)], capture_output=True, check=False).returncode:
        pytest.skip("mounting a folder read-only takes root")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)
