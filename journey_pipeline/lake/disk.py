"""What a disk that refuses means, told so that a person can act: which folder, why, what to do.

Not here: files that are missing or not what a manifest says (`events.py`, `landed_file.py`), the warehouse's own file
(`warehouse/connection.py`).
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from journey_pipeline.errors import LakeError, text_of

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
_IN_THE_WAY = {errno.ENOTDIR, errno.EEXIST}


@contextmanager
def naming_disk_troubles(attempt: str, folder: Path) -> Iterator[None]:
    """Turns the operating system's refusals inside the block into a LakeError.

    Args:
        attempt: What is being done, such as `landing sfmc/journey_history 2026-11-01T05`.
        folder: Where it writes.

    Raises:
        LakeError: If the disk is full, the folder can't be written, or it fails in another way.
    """
    try:
        yield
    except OSError as error:
        raise LakeError(f"{attempt} failed: {refusal(error, folder)}") from error


def refusal(error: OSError, folder: Path) -> str:
    """Why a disk refused and what to do, in words that name the folder."""
    why = text_of(error)
    if error.errno in _IN_THE_WAY:
        named = error.filename2 or error.filename or folder
        return (
            f"{folder} can't be written: {named} is a file in a folder's place ({why}). Move it away, or set "
            "JOURNEY_PIPELINE_HOME to another folder, and try again."
        )
    if error.errno in _FULL:
        return (
            f"the disk that holds {folder} is full ({why}). Nothing half-written is left; free some space, or move the "
            "home to a larger disk (JOURNEY_PIPELINE_HOME), and run it again."
        )
    if error.errno in _FORBIDDEN:
        return (
            f"{folder} can't be written ({why}). Let this user write there, or set JOURNEY_PIPELINE_HOME to a folder "
            "where it may, and run it again."
        )
    if error.errno == errno.EISDIR:
        place = error.filename2 or error.filename or folder
        return f"a folder stands at {place}, where a file goes: move it away, and run it again."
    return f"{folder} can't be read or written ({why}). Look at the disk, and run it again."
