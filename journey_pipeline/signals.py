"""The signals that end a program: Ctrl-C, SIGTERM and a closed terminal.

Not here: how a command ends by them (`cli/stopping.py`).
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def ended_by(handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """Inside the block these signals call a handler, even those that a shell made a background job ignore.

    A program under `nohup` goes on ignoring that its terminal is closed.
    """
    taken = [ending for ending in ENDINGS if ending is not signal.SIGHUP or signal.getsignal(ending) != signal.SIG_IGN]
    before = {ending: signal.signal(ending, handler) for ending in taken}
    try:
        yield
    finally:
        for ending, earlier in before.items():
            signal.signal(ending, earlier)
