"""Loads one partition as the command line does and says which of the package's files and functions it ran through.

The happy path alone: an answer that is whole, without retries, halves or rejects. Not here: the table (`structure.py`).
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from inspect import CO_OPTIMIZED
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from benchmarks.contenders.export_through_dagster import APSIS
from benchmarks.contenders.through_dagster import SFMC, make_project
from benchmarks.task import Task, say
from journey_pipeline.components.deployment import load_deployment
from journey_pipeline.components.instance import open_instance
from journey_pipeline.components.runs import Runner

PACKAGE = Path(__file__).parents[2] / "journey_pipeline"
DECLARED = {"sfmc/journey_history": SFMC, "apsis/profile_events": APSIS}
POLLS = {"look_next"}
"""The functions that look at one export, from whose turn it is to what came of it."""
COMPUTED = {"<genexpr>", "<listcomp>", "<setcomp>", "<dictcomp>"}
"""The names of what a module itself computes; inside of a function they have its name before them."""
POLLING = ("loading", "exports")
"""The packages whose files are followed during a poll; what a vendor is asked over is the same for any answer."""


@dataclass(slots=True)
class Trip:
    """What runs while it is followed, in every thread that starts meanwhile.

    Attributes:
        functions: Of the package without its simulator, by file and name.
        polls: Of each poll, file after file, as the work went from one to another.
    """

    functions: set[tuple[str, str]] = field(default_factory=set)
    polls: list[list[str]] = field(default_factory=list)
    _poll: FrameType | None = None

    def follow(self, frame: FrameType, event: str, _argument: Any) -> None:
        """What Python calls at each call and return."""
        name = _file(frame.f_code)
        if name is None or event not in {"call", "return"}:
            return
        if event == "call":
            self.functions.add((name, frame.f_code.co_qualname))
            if frame.f_code.co_name in POLLS and self._poll is None:
                self._poll = frame
                self.polls.append([])
        if self._poll is None:
            return
        if event == "return" and frame is self._poll:
            self._poll = None
            return
        here = name if event == "call" else _file(frame.f_back.f_code) if frame.f_back else None
        if here and here.startswith(POLLING) and self.polls[-1][-1:] != [here]:
            self.polls[-1].append(here)

    @property
    def longest_poll(self) -> list[str]:
        """The poll that went from file to file most often; the others found nothing to do."""
        return max(self.polls, key=len, default=[])


def returns(stays: Sequence[str]) -> int:
    """How many detours lead back to the file that was just left; one that is made in a loop counts once."""
    ways = zip(stays, stays[1:], stays[2:], strict=False)
    return len({(left, detour) for left, detour, back in ways if left == back})


@cache
def _file(code: CodeType) -> str | None:
    # The body of a module or a class, and the values that it computes, run where the module is imported first.
    if not code.co_flags & CO_OPTIMIZED or code.co_qualname in COMPUTED:
        return None
    try:
        name = Path(code.co_filename).relative_to(PACKAGE)
    except ValueError:
        return None
    return None if name.parts[0] == "sandbox" else str(name)


def main() -> None:
    """Loads the first partition of this process's task; the stream is the argument."""
    task, name = Task.given(), sys.argv[1]
    trip = Trip()
    with open_instance() as instance:
        runner = Runner(load_deployment(make_project(task, DECLARED[name])), instance)
        (assets,) = runner.deployment.streams(name)
        windows = task.span.partitions(assets.stream.granularity)[:1]
        runner.deployment.definitions.resolve_implicit_global_asset_job_def()  # once, however much is loaded
        threading.setprofile(trip.follow)
        sys.setprofile(trip.follow)
        try:
            loaded = runner.load(assets, windows, pull=True, only_missing=True)
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
    if not loaded.succeeded:
        raise SystemExit(loaded.says)
    files = sorted({file for file, _ in trip.functions})
    say(0, 0.0, files=files, functions=len(trip.functions), stays=trip.longest_poll)


if __name__ == "__main__":
    main()
