"""When a command is killed: some time after it enters a stage of its work, both from the seed.

A stage is entered when its files change, so that a kill meets it however fast the machine is. Not here: the killing
(`commands.py`).
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from journey_pipeline_tests.crash.commands import Instant

# Stage: what changes under the home as it begins (None: nothing, from the start), and the most seconds after that.
STAGES: Mapping[str, tuple[str | None, float]] = MappingProxyType(
    {
        "start": (None, 1.0),
        "anything at all": (None, 4.0),
        "dagster's instance": ("dagster", 0.3),
        "a run of dagster": ("dagster/history/runs", 0.3),
        "downloads": ("raw/sfmc/journey_history", 0.2),
        "events": ("events", 0.3),
        "dimensions": ("raw/sfmc/journeys", 0.5),
        "dimension files": ("dimensions", 0.3),
        "warehouse": ("warehouse", 0.5),
        "publishing": ("journeys.duckdb", 0.3),
    }
)
HANDS = 4  # a seed has two or three of them


@dataclass(frozen=True, slots=True)
class Kill:
    """A kill some seconds after a stage begins."""

    stage: str
    after_s: float

    def __str__(self) -> str:
        return f"killed {self.after_s:.3f} s into {self.stage!r}"

    def instant(self, home: Path) -> Instant:
        """The question whether it is time, to be asked all the time of a command that begins now."""
        root = STAGES[self.stage][0]
        if root is None:
            return lambda seconds: seconds >= self.after_s
        before = _signature(home / root)
        entered_s: float | None = None

        def is_time(seconds: float) -> bool:
            nonlocal entered_s
            if entered_s is None and _signature(home / root) != before:
                entered_s = seconds
            return entered_s is not None and seconds >= entered_s + self.after_s

        return is_time


@dataclass(frozen=True, slots=True)
class KillWhen(Kill):
    """A kill once something is so in the home."""

    is_so: Callable[[Path], bool]

    def instant(self, home: Path) -> Instant:
        """The question whether it is time."""
        return lambda _seconds: self.is_so(home)


def planned(
    seed: int, dice: random.Random, stages: tuple[str, ...] = tuple(STAGES), *, hands: int = HANDS
) -> list[Kill]:
    """A seed's kills, in the order of the work: an earlier stage would not come again.

    So many seeds in a row deal all stages among themselves, so that each stage meets a kill.
    """
    deal, hand = divmod(seed, hands)
    deck = random.Random(deal).sample(stages, len(stages))
    return [Kill(stage, dice.uniform(0, STAGES[stage][1])) for stage in sorted(deck[hand::hands], key=stages.index)]


def _signature(root: Path) -> tuple[int, int]:
    # Beside it lie what is about to take its place and, of a database, the log.
    paths = list(root.parent.glob(f"*{root.name}*"))
    for folder, _, files in os.walk(root):  # unlike rglob, it passes over folders that vanish meanwhile
        paths += [Path(folder), *(Path(folder, file) for file in files)]
    newest = count = 0
    for path in paths:
        with suppress(FileNotFoundError):
            newest = max(newest, path.lstat().st_mtime_ns)
            count += 1
    return count, newest
