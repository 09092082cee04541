"""Files that appear whole or not at all, and stay after a power cut.

A file is written beside its place under a temporary name, flushed to disk and renamed. Not here: the order in which
several files must appear (`landing.py`, `events.py`), sweeping what a crash left (`sweep.py`).
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TEMPORARY_SUFFIX = ".tmp"
_RANDOM = 12  # hexadecimal digits
TEMPORARY_FILES = f".*.{'[0-9a-f]' * _RANDOM}{TEMPORARY_SUFFIX}"
"""The pattern of the names that files have until they are finished; other programs' temporary files are theirs."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a temporary path to write to; on a clean exit the file there takes the place of `path`.

    On an exception the temporary file is removed and `path` is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:_RANDOM]}{TEMPORARY_SUFFIX}")
    try:
        yield temporary
        flush_file(temporary)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    flush_dir(path.parent)


def write_bytes(path: Path, content: bytes) -> None:
    """Puts a small file in place."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def flush_file(path: Path) -> None:
    """Waits until a file's content is on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_dir(path: Path) -> None:
    """Waits until a folder's entries are on disk."""
    flush_file(path)
