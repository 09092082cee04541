"""One process and thread at a time over a partition's manifest: a lock file of the operating system.

Readers never lock: they see whole files only (`atomic.py`). Not here: what is done under the lock (`landing.py`,
`normalize.py`, `sweep.py`).
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LANDING_LOCK = ".manifest.lock"
EVENTS_LOCK = ".events.lock"


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Waits until nobody else holds the lock, then holds it.

    The kernel gives the lock back when its holder dies, so that a crash never leaves it shut. The empty lock file
    stays: removing it would let two holders lock two different files of one name.

    Args:
        path: The lock file; it is made if it isn't there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
