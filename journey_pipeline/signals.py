"""The signals that end a program: Ctrl-C, SIGTERM and a closed terminal.

Not here: how a command ends by them (`cli/stopping.py`).
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def ended_by(handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """Inside the block these signals call a handler, even those that a shell made a background job ignore.

    A program under `nohup` goes on ignoring that its terminal is closed. In a thread besides the main one, to which
    signals don't come, nothing changes.
    """
    is_main = threading.current_thread() is threading.main_thread()
    is_told = signal.getsignal(signal.SIGHUP) != signal.SIG_IGN
    taken = [ending for ending in ENDINGS if is_main and (is_told or ending is not signal.SIGHUP)]
    before = {ending: signal.signal(ending, handler) for ending in taken}
    try:
        yield
    finally:
        for ending, earlier in before.items():
            signal.signal(ending, earlier)
