"""The entry point of `journey-pipeline`: Ctrl-C ends it without a word from its first instant on.

It imports nothing before that. Not here: the program, and how it ends once it is imported (`main.py`).
"""

from __future__ import annotations

import signal
from importlib import import_module


def start() -> None:
    """Runs the program."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Python's own way out of an import is a traceback
    import_module("journey_pipeline.cli.main").main()
