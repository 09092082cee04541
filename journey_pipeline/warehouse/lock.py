"""One writer at a time, on this machine: an operating system's lock on a file beside the warehouse.

The lock ends with the process that holds it, however it ends, so nothing has to be cleaned up after a crash. Not
here: readers, who need no lock because they open another file (`publish.py`).
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path

from journey_pipeline.errors import WarehouseError
from journey_pipeline.lake.disk import refusal
from journey_pipeline.lake.layout import Lake

_POLL_S = 0.05


class WriterAtWork(WarehouseError):  # noqa: N818 - it names what is so
    """Another process or thread holds the right to write the warehouse."""


@contextmanager
def writer_lock(lake: Lake, wait_s: float) -> Iterator[None]:
    """Holds the right to write the warehouse.

    Args:
        lake: Whose warehouse.
        wait_s: How long to wait for another holder.

    Raises:
        WriterAtWork: If another process or thread still holds it then; says which.
        WarehouseError: If the home can't be written.
    """
    path = lake.home / "warehouse.lock"
    with _open(path) as file:
        _wait(file, path, wait_s)
        with suppress(OSError):  # on a full disk nobody learns who holds it; the lock itself needs no room
            file.truncate(0)
            file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "command": _command()}))
            file.flush()
        yield


def _open(path: Path) -> TextIOWrapper:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a+", encoding="utf-8")
    except OSError as error:
        raise WarehouseError(f"locking the warehouse failed: {refusal(error, path.parent)}") from error


def _wait(file: TextIOWrapper, path: Path, wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise WriterAtWork(
                    f"another process is writing the warehouse: {_holder(path)}. Waited {wait_s:g} s; try again when "
                    "it is done, or end it: its transaction then leaves no trace."
                ) from None
            time.sleep(_POLL_S)
        else:
            return


def _holder(path: Path) -> str:
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
        return f"process {holder['pid']} on {holder['host']}, `{holder['command']}`"
    except (OSError, ValueError, KeyError):
        return "one that has only just begun"


def _command() -> str:
    # The program and its first word only: what follows may be anything a person typed.
    return " ".join([Path(sys.argv[0]).name, *sys.argv[1:2]])
