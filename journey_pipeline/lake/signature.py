"""Which file lies at a path, told without reading it: enough to know that what was read of it once still holds.

Not here: what is remembered by it (`loading/memo.py`, `warehouse/inventory.py`).
"""

from __future__ import annotations

import os
import time
from pathlib import Path

# Differs once a file has been replaced: its number, its time, its size.
Signature = tuple[int, int, int]

# As git does with its index: a file that is written twice within one tick of the clock of its disk looks the same.
_SETTLED_AFTER_NS = 2_000_000_000


def signature(file: Path) -> Signature | None:
    """Which file lies at a path now, or None if there is none."""
    try:
        return signature_of(file.stat())
    except (FileNotFoundError, NotADirectoryError):
        return None


def signature_of(stat: os.stat_result) -> Signature:
    """Which file it is."""
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


def is_settled(found: Signature, now_ns: int) -> bool:
    """Whether a file was written so long ago that another one with its signature can't have followed."""
    return found[1] < now_ns - _SETTLED_AFTER_NS


def present_ns() -> int:
    """The present, as files have their times."""
    return time.time_ns()
