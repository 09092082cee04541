"""Turns: contenders run A B C A B C, so that a slow minute of the machine hits all of them.

Not here: how one is run (`processes.py`), which ones and how large (`questions.py`, `export.py`).
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.digests import digest
from benchmarks.processes import ContenderError, Measured, run
from benchmarks.tables import phases


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is done.

    Attributes:
        repeats: Of every contender.
        quick: Whether sizes are so small that only the scripts are tried, not the machine.
        with_dlt: Whether dlt takes part.
        tell: Takes a line for every run, as it ends.
    """

    repeats: int
    quick: bool
    with_dlt: bool
    tell: Callable[[str], None]

    def size(self, full: int, quick: int) -> int:
        """A size for this effort."""
        return quick if self.quick else full


def once(effort: Effort) -> Effort:
    """The same without repeats."""
    return replace(effort, repeats=1)


def in_turn(
    effort: Effort,
    contenders: Sequence[str],
    home: Callable[[str], Path],
    environment: Mapping[str, str],
    rows: int | Mapping[str, int],
    *,
    clean: bool = False,
) -> dict[str, list[Measured]]:
    """The repeats of each contender, each of which counts only if it came to the vendor's rows and their values.

    Args:
        contenders: Modules of `contenders/`.
        rows: What they must come to, if not all of them to the same by the contender's name.
        clean: Whether to remove a folder after its run.

    Raises:
        ContenderError: If one failed, came to other rows, or to other values than the one before it.
    """
    runs: dict[str, list[Measured]] = {name: [] for name in contenders}
    digests: set[int] = set()
    for _ in range(effort.repeats):
        for name in contenders:
            measured = run(name, home(name), environment)
            if table := measured.said.get("table"):
                digests.add(digest(*table))
                if len(digests) > 1:
                    raise ContenderError(f"{name} came to other values than the one before it")
            if clean:
                shutil.rmtree(home(name))
            expected = rows if isinstance(rows, int) else rows[name]
            if measured.said["rows"] != expected:
                raise ContenderError(f"{name} came to {measured.said['rows']} rows, not {expected}")
            runs[name].append(measured)
            effort.tell(f"{name}: {measured.wall_s:.2f} s, {measured.peak_mib:.0f} MiB; {phases(measured)}")
    return runs


@contextmanager
def new_folder() -> Iterator[Path]:
    """A folder for as long as the block runs."""
    with tempfile.TemporaryDirectory(prefix="journey-benchmark-") as folder:
        yield Path(folder)
