"""Ctrl-C, SIGTERM and a closed terminal: a command ends within seconds, with one sentence and an exit code.

What runs is interrupted, so that it cleans up. What does not end by that, as a thread that waits for a vendor, is cut
after some seconds, or at once by a second signal. Not here: how `sandbox` and `dev` end, which end well when stopped.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

import click

from journey_pipeline.cli.standard_streams import say_last
from journey_pipeline.signals import ended_by

GRACE_S = 5.0
SIGNALLED = 128  # and the signal's number, as a shell has it
SAYS = "Stopped. Landed data is kept. Run the command again for the rest."


class _Stop:
    """The signal that came, if one did."""

    def __init__(self) -> None:
        self.number = 0
        self._leaving = threading.Lock()

    def interrupt(self, number: int, _: FrameType | None) -> None:
        self.number = number
        raise KeyboardInterrupt

    def watch(self, signals: socket.socket) -> None:
        """Waits for a signal, even while Dagster handles signals in a run; then for the end of patience."""
        with signals:
            if not (first := signals.recv(1)):
                return
            self.number = first[0]
            signals.settimeout(GRACE_S)
            with suppress(TimeoutError):
                signals.recv(1)
            self.leave()

    def leave(self) -> None:
        """Ends the process. Running threads may be cut, because files appear whole or not at all."""
        self._leaving.acquire()
        with suppress(OSError, ValueError):
            say_last(SAYS)
        os._exit(SIGNALLED + self.number)


@contextmanager
def stoppable() -> Iterator[None]:
    """Inside the block a signal ends the command within seconds, with 130, 143 or, once its terminal is closed, 129."""
    stop = _Stop()
    watched, told = socket.socketpair()
    told.settimeout(0)
    with ended_by(stop.interrupt):
        signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
        watch = threading.Thread(target=stop.watch, args=(watched,), name="signals", daemon=True)
        watch.start()
        try:
            yield
        except (click.Abort, KeyboardInterrupt):
            stop.number = stop.number or signal.SIGINT
        finally:
            if stop.number:
                with suppress(OSError, ValueError):
                    sys.stdout.flush()
                stop.leave()
            ends_by_itself()
            told.close()
            watch.join()


def ends_by_itself() -> None:
    """From here on a signal ends the command with success."""
    signal.set_wakeup_fd(-1)
