"""A claim about a partition as such: what it says, whether it holds, how bad it is if not, and what is tolerated.

Not here: which claims there are and how they are judged (`checks.py`, `alike.py`, `deltas.py`).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


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


class Tolerance(BaseModel):
    """When a difference to the vendor's estimate is normal."""

    model_config = ConfigDict(frozen=True)

    rows_share: float = Field(
        0.01,
        ge=0,
        le=1,
        description="Largest accepted difference between rows and estimate, as a share of the estimate.",
    )
    rows: int = Field(5, ge=0, description="Difference in rows that is always accepted, even for a small estimate.")
    settled_after_hours: float = Field(
        6,
        ge=0,
        description="Hours after its end until a window is settled. From then on, fewer rows than the estimate "
        "are an error.",
    )
    new_column: Literal["keep", "warn", "stop"] = Field(
        "warn",
        description="Result of schema_is_known for a new column. keep: passes; warn: a warning; stop: an error.",
    )
    rejects_share: float = Field(
        0.01,
        ge=0,
        le=1,
        description="Largest share of unreadable records that is only a warning. Above it the check is an error.",
    )

    @property
    def settled_after(self) -> timedelta:
        """The setting `settled_after_hours`."""
        return timedelta(hours=self.settled_after_hours)
