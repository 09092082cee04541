"""Names of processes, and whether they are still alive: a lease of a dead process can be taken over at once.

Only processes of this machine can be told dead; of others one waits. Not here: what is held (a run's pool in
`components/runs.py`, an export in `exports/orders.py`), locks that the system frees by itself (`files.py`).
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress

import psutil

CLOCK_WAS_SET_BY_S = 5.0


def this_process() -> str:
    """This process's name: number, machine and time of creation, because numbers are reused."""
    process = psutil.Process()
    return f"{process.pid}@{socket.gethostname()}:{process.create_time()}"


def is_dead(name: str | None) -> bool:
    """Whether a process of this machine has ended; false if that can't be known.

    Args:
        name: The result of `this_process` in that process, or None.
    """
    pid, _, rest = (name or "").partition("@")
    host, _, created = rest.rpartition(":")
    if host != socket.gethostname() or not pid.isdecimal():
        return False
    try:
        process = psutil.Process(int(pid))
        # A later process may have the same number. Times of creation depend on the clock, which may be set.
        is_another = abs(process.create_time() - float(created)) > CLOCK_WAS_SET_BY_S
        return is_another or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def has_ended(pid: int, *, seen_at: float) -> bool:
    """Whether the process of this machine that had a number at a time, in seconds since 1970, has ended."""
    try:
        process = psutil.Process(pid)
        return process.create_time() > seen_at + CLOCK_WAS_SET_BY_S or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def running_in_group(group: int) -> list[int]:
    """The numbers of the processes of a group that have not ended."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, ProcessLookupError):
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
    return found
