"""What every stream that is ordered, polled and then collected offers to `loading/`, whatever its vendor.

Not here: streams that answer a window at once (`source.py`), what is remembered of an export (`exports/`), the order of
steps that an export goes through (`loading/`).
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from journey_pipeline.model import Window
from journey_pipeline.vendors.source import Part, Stream

Request = Mapping[str, Any]


class Verdict(enum.Enum):
    """What a poll says of an export."""

    PENDING = "pending"  # the vendor is at work on it
    UNACKNOWLEDGED = "unacknowledged"  # pending, or never heard of: the vendor's answer is the same
    READY = "ready"
    FAILED = "failed"  # made and broken: order it again
    TOO_LARGE = "too_large"  # order less at a time
    GONE = "gone"  # no longer, or never, there: order it again


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is ordered.

    Attributes:
        window: Of which time.
        request: What is asked for besides, as JSON without secrets: kept in the ledger, and in the manifest.
    """

    window: Window
    request: Request


@dataclass(frozen=True, slots=True)
class Ordered:
    """What the vendor answered to an order. Everything that is needed to poll.

    Attributes:
        export_id: The vendor's id, if it gave one.
        poll_address: Where to poll, if it gave an address; treated as a secret.
        generation: Which rules the address goes by, where the vendor has several.
        status: Of the answer; None if it is not fresh from the vendor.
    """

    export_id: str | None = None
    poll_address: str | None = None
    generation: int | None = None
    status: int | None = None


@dataclass(frozen=True, slots=True)
class Polled:
    """What a poll found out.

    Attributes:
        verdict: How far the export is.
        status: Of the answer.
        says: What came back, for people; no secrets.
        retry_after_s: How long the vendor asks to wait before the next poll, or before the next order where it failed;
            None if it says nothing of it.
        part: The file, if it was ready and came with the answer.
    """

    verdict: Verdict
    status: int
    says: str
    retry_after_s: float | None = None
    part: Part | None = None


class ExportSource(Protocol):
    """A stream whose windows are ordered and come later.

    Attributes:
        stream: What is known of it beforehand.
        longest_window: The longest window of one order; a range is ordered in pieces of at most so many partitions.
        concurrency: How many files are collected at a time.
        requests_per_s: How many requests the vendor is asked per second at most.
        poll_is_download: Whether the answer to a poll is the file itself, once it is ready.
    """

    stream: Stream
    longest_window: timedelta
    concurrency: int
    requests_per_s: float
    poll_is_download: bool

    def wanted(self, window: Window) -> Wanted:
        """What is ordered for a window."""
        ...

    def smaller(self, wanted: Wanted) -> Sequence[Wanted]:
        """The same in smaller orders, disjoint and complete; none if it can't be made smaller."""
        ...

    def order(self, wanted: Wanted) -> Ordered:
        """Orders an export.

        Raises:
            TransientVendorError: If the vendor made none now; `status` is 429 where too much is pending. With `status`
                None nobody knows whether it made one.
            PermanentVendorError: If it never will as asked; says what to configure.
        """
        ...

    def poll(
        self,
        ordered: Ordered,
        wanted: Wanted,
        *,
        to: Path | None = None,
        on_bytes: Callable[[int], None] | None = None,
        evidence: Path | None = None,
    ) -> Polled:
        """Asks how far an export is; given a place, it takes the file along if `poll_is_download`.

        Raises:
            TransientVendorError: If the answer says nothing of the export; it stays as it is.
            PermanentVendorError: If asking again would give the same.
        """
        ...

    def collect(
        self,
        ordered: Ordered,
        wanted: Wanted,
        to: Path,
        *,
        on_bytes: Callable[[int], None] | None = None,
        evidence: Path | None = None,
    ) -> Part:
        """Downloads the file of an export that is ready, completely or not at all.

        Raises:
            ExportExpired: If it is gone.
            ExportFailed: If the vendor broke it.
            TransientVendorError: If every try was cut off; the export is still there.
            ContractError: If what came is no such file; keeps its start as evidence.
        """
        ...

    def answers(self) -> dict[str, Any]:
        """What else the vendor said that the files can't be read without; kept in the manifest beside them."""
        ...

    def close(self) -> None:
        """Gives back what it holds open."""
        ...
