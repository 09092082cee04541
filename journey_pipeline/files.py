"""Files on this machine's disk: whole writes, locks, signatures, and messages for refusals of the disk.

Not here: paths of the lake (`lake/layout.py`).
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from journey_pipeline.errors import LakeError, text_of

LEFTOVER_AGE = timedelta(days=1)  # far longer than any file takes to be written
TEMPORARY_SUFFIX = ".tmp"
_RANDOM = 12  # hexadecimal digits
TEMPORARY_FILES = f".*.{'[0-9a-f]' * _RANDOM}{TEMPORARY_SUFFIX}"
"""The pattern of unfinished files' names. It matches no temporary files of other programs."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary path. On a clean exit its file replaces `path`.

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


def remove_unfinished(path: Path) -> None:
    """Removes what killed writers of a file left a day ago or longer, where no sweep of the lake comes."""
    limit = time.time() - LEFTOVER_AGE.total_seconds()
    for leftover in path.parent.glob(TEMPORARY_FILES):
        is_of_it = leftover.name[1 : -len(TEMPORARY_SUFFIX) - _RANDOM - 1] == path.name
        with suppress(FileNotFoundError):  # another one removed it
            if is_of_it and leftover.stat().st_mtime < limit:
                leftover.unlink()


def write_bytes(path: Path, content: bytes) -> None:
    """Puts a small file in place."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


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


_BUFFER_BYTES = 1 << 18


class LandingFile:
    """Writes a temporary file beside `path`. A clean exit flushes it to disk and puts it in place.

    An exception removes it. A kill leaves a file that ends in `.tmp`, and the lake sweeps it.

    Args:
        path: The final path. An existing file is replaced.
    """

    def __init__(self, path: Path) -> None:
        self.bytes = 0
        self._path = path
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """The SHA-256 of the bytes written so far."""
        return self._digest.hexdigest()

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            temporary = opening.enter_context(replacing(self._path))
            self._file = opening.enter_context(temporary.open("wb", buffering=_BUFFER_BYTES))
            self._open = opening.pop_all()
        return self

    def write(self, piece: bytes) -> None:
        """Adds to the file."""
        self.bytes += len(piece)
        self._digest.update(piece)
        self._file.write(piece)

    def flushed(self) -> Path:
        """Where it lies until it is put in place, with all that was written."""
        self._file.flush()
        return Path(self._file.name)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, trace)


LANDING_LOCK = ".manifest.lock"
EVENTS_LOCK = ".events.lock"


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Waits until the lock is free, then holds it.

    The kernel frees the lock when its holder dies, so a crash never leaves it locked. The empty lock file
    stays: removing it would let two holders lock two different files of one name.

    Args:
        path: The lock file; it is made if it is missing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


_IN_USE = ".in-use"


@contextmanager
def temporary_folder(prefix: str, place: Path | None = None) -> Iterator[Path]:
    """A folder that is gone after the block. First removes those of the same prefix that killed processes left.

    Its user holds a lock in it, which the kernel frees when the process dies. It has its name only once that is held.

    Args:
        place: The folder to make it in; the system's for temporary files if None.
    """
    place = place or Path(tempfile.gettempdir())
    for left in place.glob(f"{prefix}*"):
        with suppress(OSError), (left / _IN_USE).open("rb") as lock:  # it is in use, or somebody else's
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left)
    begun = Path(tempfile.mkdtemp(prefix=f".{prefix}", dir=place))
    with exclusive(begun / _IN_USE):
        folder = begun.rename(place / begun.name[1:])
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)  # what is written to it still, the next one removes


_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
_IN_THE_WAY = {errno.ENOTDIR, errno.EEXIST}
_WITHOUT_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP}


@contextmanager
def naming_disk_troubles(attempt: str, folder: Path, chosen_by: str | None = None) -> Iterator[None]:
    """Turns the operating system's refusals inside the block into a LakeError.

    Args:
        attempt: What is being done, such as `landing sfmc/journey_history 2026-11-01T05`.
        chosen_by: The option by which a person chose the folder, if not by JOURNEY_PIPELINE_HOME.

    Raises:
        LakeError: If the disk is full, the folder can't be written, or it fails in another way.
    """
    try:
        yield
    except OSError as error:
        raise LakeError(f"{attempt} failed: {refusal(error, folder, chosen_by)}") from error


def met_disk_trouble(error: BaseException | None) -> OSError | None:
    """The refusal of a disk that is full or locks nothing, told by a library's text; None if another thing failed.

    A library's last error may only say that it could not roll back after that.
    """
    while error:
        for number in _FULL | _WITHOUT_LOCKS:
            if os.strerror(number) in str(error):
                return OSError(number, os.strerror(number))
        error = error.__cause__ or error.__context__
    return None


def refusal(error: OSError, folder: Path, chosen_by: str | None = None) -> str:
    """A sentence that names the folder, why the disk refused, and what to do."""
    why, by = text_of(error), chosen_by or "JOURNEY_PIPELINE_HOME"
    if error.errno == errno.ENOENT and error.filename is None:  # as `tempfile` has it
        return f"no folder for temporary files is writable ({why}). Set TMPDIR to a writable folder, and run it again."
    if error.errno in _IN_THE_WAY:
        named = error.filename2 or error.filename or folder
        return (
            f"{folder} can't be written: {named} is a file where a folder goes ({why}). Move it away, or choose "
            f"another folder with {by}, and try again."
        )
    if error.errno in _FULL | _WITHOUT_LOCKS:
        is_full = error.errno in _FULL
        says = "is full" if is_full else "locks no files, as some network shares do not"
        heal = "free some space, or move to a larger disk" if is_full else "move to a disk of this machine"
        return (
            f"the disk that holds {folder} {says} ({why}). Nothing half-written is left; {heal} with {by}, and run it "
            "again."
        )
    if error.errno in _FORBIDDEN:
        return (
            f"{folder} can't be written ({why}). Let this user write there, or choose a writable folder with "
            f"{by}, and run it again."
        )
    if error.errno == errno.EISDIR:
        place = error.filename2 or error.filename or folder
        return f"a folder stands at {place}, where a file goes: move it away, and run it again."
    return f"{folder} can't be read or written ({why}). Check the disk, then run the command again."


# Differs once a file has been replaced: its number, its time, its size.
Signature = tuple[int, int, int]

# As git does with its index: a file that is written twice within one tick of the clock of its disk looks the same.
_SETTLED_AFTER_NS = 2_000_000_000


def signature(file: Path) -> Signature | None:
    """The signature of the file at a path, or None if there is none."""
    try:
        return signature_of(file.stat())
    except (FileNotFoundError, NotADirectoryError):
        return None


def signature_of(stat: os.stat_result) -> Signature:
    """The signature of a file: its number, time and size."""
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


def written(found: Signature) -> str:
    """A signature as a text."""
    return f"{found[0]}-{found[1]}-{found[2]}"


def told_signature(text: str) -> Signature:
    """The signature that a text has, the inverse of `written`."""
    number, time_ns, size = map(int, text.split("-"))
    return number, time_ns, size


def is_settled(found: Signature, now_ns: int) -> bool:
    """Whether a file was written so long ago that another one with its signature can't have followed."""
    return found[1] < now_ns - _SETTLED_AFTER_NS


def present_ns() -> int:
    """The present, as files have their times."""
    return time.time_ns()
