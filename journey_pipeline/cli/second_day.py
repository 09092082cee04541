"""The demo's first day of streams whose answers repeat the days before: ordered a day ago, and again with the next day.

So it shows that an event which came late is healed by a later answer. Not here: the rest of the demo (`demo.py`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from journey_pipeline.cli.load import load
from journey_pipeline.components.load_assets import LoadAssets
from journey_pipeline.components.runs import Runner
from journey_pipeline.loading.plan import State, Survey
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.settings import CLOCK_OFFSET_VARIABLE
from journey_pipeline.vendors.source import Stream

DAY = timedelta(days=1)


def is_told_again(stream: Stream) -> bool:
    """Whether each order of a stream asks for days before its newest one too, and its answers are compared."""
    return stream.asked_again > 0 and "earlier_answer_is_repeated" in stream.claims


def load_a_day_ago(runner: Runner, sandbox: Sandbox, assets: LoadAssets, found: Survey) -> None:
    """Loads all days but the newest, as the vendor told them a day ago, if none of them is there."""
    *earlier, _ = found.states
    if set(found.states.values()) == {State.MISSING}:
        with _a_day_ago(sandbox):
            load(runner, assets, earlier)


@contextmanager
def _a_day_ago(sandbox: Sandbox) -> Iterator[None]:
    """Sets the vendors' clock back by a day inside of the block, and this process's with it."""
    offset_s = float(os.environ.get(CLOCK_OFFSET_VARIABLE) or "0")
    sandbox.clock.move(-DAY)
    os.environ[CLOCK_OFFSET_VARIABLE] = str(offset_s - DAY.total_seconds())
    try:
        yield
    finally:
        os.environ[CLOCK_OFFSET_VARIABLE] = str(offset_s)
        sandbox.clock.move(DAY)
