"""A file that is hashed while it is written and appears whole or not at all.

Not here: which files make a landing and what their manifest says (`lake/`, which the transport doesn't know).
"""

from __future__ import annotations

import hashlib
import os
import uuid
from pathlib import Path
from types import TracebackType
from typing import Self

TEMPORARY_SUFFIX = ".tmp"
_BUFFER_BYTES = 1 << 18


class LandingFile:
    """Writes beside its place under a temporary name; a clean exit flushes it to disk and puts it in place.

    After an exception nothing is left. After a kill a file that ends in `.tmp` is, which the lake sweeps.

    Args:
        path: Its place. A file that is there is replaced.

    Attributes:
        bytes: Written so far.
    """

    def __init__(self, path: Path) -> None:
        self.bytes = 0
        self._path = path
        self._digest = hashlib.sha256()
        self._temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}{TEMPORARY_SUFFIX}")

    @property
    def sha256(self) -> str:
        """Of what was written so far."""
        return self._digest.hexdigest()

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._temporary.open("wb", buffering=_BUFFER_BYTES)
        return self

    def write(self, piece: bytes) -> None:
        """Adds to the file."""
        self.bytes += len(piece)
        self._digest.update(piece)
        self._file.write(piece)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with self._file:
                if kind is None:
                    self._file.flush()
                    os.fsync(self._file.fileno())
            if kind is None:
                self._temporary.replace(self._path)
                _flush_dir(self._path.parent)
        finally:
            self._temporary.unlink(missing_ok=True)


def _flush_dir(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
