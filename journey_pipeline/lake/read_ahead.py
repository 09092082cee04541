"""Running an iterator in a thread of its own, a few items ahead of whoever takes them.

Not here: what is iterated (`staging.py`).
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Item = TypeVar("Item")


@dataclass(slots=True)
class ReadAhead(Generic[Item]):
    """Items made by another thread.

    Attributes:
        failure: What stopped that thread, if something did. It is also raised to the taker; but a taker that is behind
            a foreign interface may see only its text.
    """

    items: Iterator[Item]
    depth: int
    failure: BaseException | None = None
    _queue: queue.Queue[Item | None] = field(init=False)
    _stopped: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._queue = queue.Queue(self.depth)

    def __iter__(self) -> Iterator[Item]:
        while (item := self._queue.get()) is not None:
            yield item
        self._queue.put(None)  # so that whoever asks again ends too
        if self.failure:
            raise self.failure

    def run(self) -> None:
        """Makes the items; ends early once stopped."""
        try:
            for item in self.items:
                self._queue.put(item)
                if self._stopped.is_set():
                    break
        except BaseException as error:  # noqa: BLE001 - it is raised where the items are taken
            self.failure = error
        finally:
            self._queue.put(None)

    def stop(self) -> None:
        """Lets the thread end, whatever it waits for."""
        self._stopped.set()
        while self._queue.get() is not None:
            pass


@contextmanager
def read_ahead(items: Iterator[Item], depth: int = 4) -> Iterator[ReadAhead[Item]]:
    """Starts the thread; it has ended when the block ends, whether all items were taken or not."""
    ahead = ReadAhead(items, depth)
    thread = threading.Thread(target=ahead.run, name="read-ahead", daemon=True)
    thread.start()
    try:
        yield ahead
    finally:
        ahead.stop()
        thread.join()
