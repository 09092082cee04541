"""A claim about a partition as such: what it says, whether it holds, how bad it is if not, and what is tolerated.

Not here: which claims there are and how they are judged (`checks.py`, `alike.py`, `deltas.py`).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta


class Severity(enum.Enum):
    """How bad a claim is that does not hold: loss is an error, drift a warning."""

    WARN = "warn"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim about one partition.

    Attributes:
        name: The claim, a sentence in snake case.
        holds: Whether it is true.
        severity: How bad it is if not.
        says: One sentence with the figures, and what to do where it does not hold.
        facts: The figures.
    """

    name: str
    holds: bool
    severity: Severity
    says: str
    facts: Mapping[str, int | float | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tolerance:
    """When a difference is normal.

    Attributes:
        rows_share: A difference to the estimate of up to this share passes, since late rows are normal.
        rows: A difference of up to so many rows passes too.
        settled_after: So long after its end a window has settled, and fewer rows than the estimate are a loss.
        new_column: What a column that the recipe does not know means: `keep`, `warn` or `stop`.
        rejects_share: Above this share of an answer rejects are an error; the first one is a warning.
    """

    rows_share: float = 0.01
    rows: int = 5
    settled_after: timedelta = timedelta(hours=6)
    new_column: str = "warn"
    rejects_share: float = 0.01
