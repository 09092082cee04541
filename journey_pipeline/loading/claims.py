"""A claim about a partition or a stream, how bad it is if it does not hold, and which differences are tolerated.

Not here: the claims themselves (`checks.py`).
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


Facts = Mapping[str, int | float | str]


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim about one partition.

    Attributes:
        name: The claim, a sentence in snake case.
        severity: How bad it is if not.
        says: One sentence with the figures, and what to do where it does not hold.
    """

    name: str
    holds: bool
    severity: Severity
    says: str
    facts: Facts = field(default_factory=dict)


class Tolerance(BaseModel):
    """When a difference to the vendor's estimate is normal."""

    model_config = ConfigDict(frozen=True, extra="forbid")

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
    fewer_share: float = Field(
        0.05,
        ge=0,
        le=1,
        description="Largest share of events of a day and an action that an answer may lack of the one before, where "
        "the vendor gives no estimate. Above it the check is a warning.",
    )
    out_of_turn_share: float = Field(
        0.05,
        ge=0,
        le=1,
        description="Largest accepted share of enters and exits of a journey that follow one of their own kind: late "
        "ones are missing for some days.",
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
