"""The interface of streams for `loading/`: an answer at once, or an export that comes later.

Not here: a vendor's own rules (its folder), what is remembered of an export (`exports/`), a load's steps (`loading/`).
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal, Self

from journey_pipeline.errors import ExportExpired
from journey_pipeline.model import Figures, Granularity, StreamKey, Window, contiguous, iso
from journey_pipeline.recipe import Recipe
from journey_pipeline.transport.response import Downloaded, Place


@dataclass(frozen=True, slots=True)
class Estimate:
    """The vendor's estimate of a window.

    Attributes:
        raw_bytes: Size without compression, where known.
        compressed_bytes: Size with it, where known.
        answer: The vendor's answer as it came.
    """

    rows: int
    raw_bytes: int | None = None
    compressed_bytes: int | None = None
    answer: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Part:
    """One downloaded file of a window, complete and checked.

    Attributes:
        sha256: Of the file.
        raw_bytes: Its size inflated.
        columns: Its header, or the names of its records' fields.
        received_as: How the vendor sent it, `gzip` or `identity`.
        promised_rows: How many records the answer itself says it has, where it does.
        counted_at: What the connection said of where the records are, by which they were counted.
        next_page: Where the answer goes on, if it says that it does; never kept, it may hold a secret.
        dated: What the vendor's clock said when the answer began, if it said so; it may be wrong.
    """

    path: Path
    window: Window
    sha256: str
    bytes: int
    raw_bytes: int
    rows: int
    columns: tuple[str, ...]
    received_as: str
    promised_rows: int | None = None
    counted_at: Mapping[str, str] = field(default_factory=dict)
    next_page: str | None = None
    dated: datetime | None = None

    @classmethod
    def of(cls, got: Downloaded, window: Window, **more: Any) -> Self:
        """The downloaded file as a part of a landing, with the records and columns that its inspector saw."""
        return cls(
            path=got.path,
            window=window,
            sha256=got.sha256,
            bytes=got.bytes,
            raw_bytes=got.raw_bytes,
            rows=got.inspector.rows,
            columns=tuple(got.inspector.columns),
            received_as=got.received_as,
            **more,
        )


@dataclass(frozen=True, slots=True)
class Reach:
    """The times that one answer covers in addition to its partition. Default: none.

    Attributes:
        longest: The longest window that one answer is asked for, where it may be longer than a partition.
        onward: How far an answer goes on beyond its window; `timedelta.max`: to the moment of asking.
        back: How far before the start of its window an answer may reach.
        over: How far events may lie beyond the end of a window, where the vendor does not say whether the end is in.
        ages_after: How long after it happened an event may stay away from an answer that is asked again;
            `timedelta.max`: it never may.
    """

    longest: timedelta = timedelta()
    onward: timedelta = timedelta()
    back: timedelta = timedelta()
    over: timedelta = timedelta()
    ages_after: timedelta = timedelta.max

    def until(self, asked: datetime, answered_by: datetime) -> datetime:
        """The end of what an answer may hold that was asked for until a time."""
        return asked + min(self.onward, max(answered_by - asked, timedelta()))

    def repeated_from(self, start: datetime, answered_by: datetime) -> datetime | None:
        """The time from which an answer should repeat older ones; None: it should repeat all."""
        return None if self.ages_after == timedelta.max else min(start, answered_by - self.ages_after)

    def __str__(self) -> str:
        """A text about the added times; empty if there are none."""
        found = {f"{self.back.days} days before it": self.back, "the time up to the asking": self.onward}
        return " and ".join(text for text, is_added in found.items() if is_added)


@dataclass(frozen=True, slots=True)
class Stream:
    """The facts about a stream that need no request: no credentials, no connection.

    Attributes:
        retention: How long the vendor keeps a window after its start, our reserve taken off.
        start: Where its first partition starts, UTC.
        requests_per_answer: How many requests one answer costs, as a rule.
        reach: The times that an answer covers.
        claims: Additional checks of its partitions, by name (`loading/checks.py`).
        order_claims: Additional checks of its orders, by name (`loading/order_checks.py`).
        lookalikes: The kinds of events that may be one thing told twice (`warehouse/stream_figures.py`).
        answers: How its answers come: `at once`, `ordered` and later, or `dropped` by people.
        lacks: What the vendor can't be asked for, such as an `estimate`, or may not answer with, such as `all people`:
            why, and what is done instead.
        upkeep: Additional upkeep, by name (`components/connection.py`).
        asked_again: How many partitions before the newest one are asked for again with it, since events come late.
        asked_again_on_sundays: The same on Sundays, if it is more.
        ordered_at: When the newest is ordered, as cron in UTC.
        first_look: How much of its history shows what it is like.
        links_live: Whether a broken file is fetched again while its link lives: another order costs more than that.
    """

    key: StreamKey
    granularity: Granularity
    recipe: Recipe
    retention: timedelta
    start: datetime
    requests_per_answer: int = 2
    reach: Reach = Reach()
    claims: tuple[str, ...] = ()
    order_claims: tuple[str, ...] = ()
    lookalikes: tuple[str, ...] = ()
    answers: Literal["at once", "ordered", "dropped"] = "at once"
    lacks: Mapping[str, str] = field(default_factory=dict)
    upkeep: tuple[str, ...] = ()
    asked_again: int = 0
    asked_again_on_sundays: int = 0
    ordered_at: str = "30 1 * * *"
    first_look: timedelta = timedelta(days=1)
    links_live: bool = False

    @property
    def partitions_per_answer(self) -> int:
        """How many partitions one answer may hold."""
        return max(self.granularity.duration, self.reach.longest, self.reach.onward) // self.granularity.duration

    @property
    def asks_vendor(self) -> bool:
        """Whether its vendor is asked for it, with credentials."""
        return self.answers != "dropped"

    @property
    def loaded_by(self) -> str:
        """The command that loads it."""
        return "intake" if self.answers == "dropped" else "backfill"

    @property
    def partitions_ahead(self) -> int:
        """How many partitions it has that have not ended: a file that is dropped lands under today."""
        return 1 if self.answers == "dropped" else 0

    def absence(self, window: Window, now: datetime) -> Literal["missing", "expired", "empty"]:
        """What it means that a window has not landed. What people drop is never missing."""
        if self.answers == "dropped":
            return "empty"
        return "expired" if self.is_expired(window, now) else "missing"

    def is_expired(self, window: Window, now: datetime) -> bool:
        """Whether the vendor no longer keeps all of a window: its answer would look like an empty one."""
        return window.start < now - self.retention

    def expiry(self, window: Window, now: datetime) -> ExportExpired:
        """The message for a window that the vendor no longer keeps."""
        return ExportExpired(
            f"{self.key} {window}: the vendor keeps history from {iso(now - self.retention)} on, so this window can no "
            "longer be downloaded. Nothing was asked and nothing landed.",
            **self.key.naming(window),
        )


@dataclass(frozen=True, slots=True)
class Freshness:
    """Up to where the vendor's history is complete, as far as the vendor can tell.

    Attributes:
        until: Windows that end by then may be loaded.
        is_usual: Whether the vendor says it, and trails by no more than is usual.
    """

    until: datetime
    says: str
    is_usual: bool = True


Request = Mapping[str, Any]


class Verdict(enum.Enum):
    """The result of a poll."""

    PENDING = "pending"  # the vendor is at work on it
    UNACKNOWLEDGED = "unacknowledged"  # pending, or never heard of: the vendor's answer is the same
    READY = "ready"
    FAILED = "failed"  # made and broken: order it again
    TOO_LARGE = "too_large"  # order less at a time
    GONE = "gone"  # no longer, or never, there: order it again


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of one request.

    Attributes:
        request: The rest of the request, as JSON without secrets: kept in the ledger, and in the manifest.
        partitions: Those that its answer is to bring; it lands under the first of them.
    """

    window: Window
    request: Request
    partitions: tuple[Window, ...] = ()


@dataclass(frozen=True, slots=True)
class Ticket:
    """The vendor's answer to an order, with all data to poll and fetch its export.

    Attributes:
        export_id: The vendor's id, if it gave one.
        poll_address: Where to look or fetch, if it gave an address; treated as a secret.
        generation: Which rules the address goes by.
        status: Of the answer; None if it is not fresh from the vendor.
        called: The answer's body, where it is what the vendor calls with otherwise. It holds a secret.
    """

    export_id: str | None = None
    poll_address: str | None = None
    generation: int | None = None
    status: int | None = None
    called: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Look:
    """The findings of a poll.

    Attributes:
        says: What came back, for people; no secrets.
        retry_after_s: How long the vendor asks to wait before the next look, or the next order where it failed.
        part: The file, if it was ready and came with the answer.
    """

    verdict: Verdict
    status: int
    says: str
    retry_after_s: float | None = None
    part: Part | None = None


class Source(ABC):
    """A stream of a connection, opened: what its vendor can be asked for.

    A vendor who answers at once gives `download`; one who answers later gives `order`, `look` and `fetch`. What is
    asked for is a plan: one window, a delta without an end, a month, or a file that lies in a folder.

    Attributes:
        concurrency: How many downloads the vendor allows at a time.
    """

    stream: Stream
    concurrency: int = 1

    def plans(self, windows: Iterable[Window]) -> list[Plan]:
        """The plans to load some partitions, with as few answers as possible."""
        onward = self.stream.reach.onward
        runs = contiguous(windows, self.stream.partitions_per_answer, apart=onward)
        # An answer that goes on beyond its window is asked for from its first partition on.
        return [self.plan(Window(run[0].start, run[0 if onward else -1].end), run) for run in runs]

    def plan(self, window: Window, partitions: Sequence[Window] = ()) -> Plan:
        """The plan to load a window."""
        return Plan(window, self.request(window), tuple(partitions))

    @abstractmethod
    def request(self, window: Window) -> Request:
        """The request without its window, for ledger and manifest; no secrets."""

    def smaller(self, plan: Plan) -> Sequence[Plan]:  # noqa: ARG002 - a vendor's own
        """The same in smaller plans, disjoint and complete; none if it can't be made smaller."""
        return ()

    @abstractmethod
    def close(self) -> None:
        """Closes its connections."""

    def freshness(self, now: datetime) -> Freshness:
        """Asks up to where the history is complete."""
        return Freshness(now, "the vendor answers for all that has passed")

    def estimate(self, window: Window) -> Estimate | None:  # noqa: ARG002 - a vendor's own
        """Asks what a window holds; None of a vendor who can't tell."""
        return None

    def too_large(self, estimate: Estimate) -> bool:  # noqa: ARG002 - a vendor's own
        """Whether what was estimated has to be asked for in smaller plans."""
        return False

    @property
    def constants(self) -> dict[str, str]:
        """Columns that are not downloaded because the request makes them constant, and their values."""
        return {}

    def figures(self, window: Window) -> Figures | None:  # noqa: ARG002 - a vendor's own
        """The vendor's own counts of what happened in whole days; None of a vendor who can't tell."""
        return None

    def answers(self) -> dict[str, Any]:
        """Further answers of the vendor that are needed to read the files; kept in the manifest."""
        return {}

    def download(
        self,
        plan: Plan,
        to: Place,
        *,
        estimate: Estimate | None,
        after: Part | None = None,
    ) -> Part:
        """Downloads an answer to a file, completely or not at all; keeps one that is no such file as evidence.

        An answer in pages is downloaded page by page: `after` is the page before, whose `next_page` is asked for.
        """
        raise NotImplementedError(f"{self.stream.key} is ordered")

    def order(self, plan: Plan, name: str) -> Ticket:
        """Orders an export.

        Args:
            name: Of the export and its attempt; for a vendor that calls back, the secret end of its hook's address.

        Raises:
            NotSentError: If no order was sent.
            TransientVendorError: If the vendor made none (429: too much is pending), or may have (`status` is None).
            PermanentVendorError: If it never will as asked; says what to configure.
        """
        raise NotImplementedError(f"{self.stream.key} answers at once")

    def look(self, ticket: Ticket, plan: Plan, *, to: Place | None = None) -> Look:
        """Asks how far an export is; given a place, it takes the file along where that is the answer.

        Raises:
            TransientVendorError: If the answer says nothing of the export; it stays as it is.
            PermanentVendorError: If asking again would give the same.
        """
        raise NotImplementedError(f"{self.stream.key} answers at once")

    def fetch(
        self,
        ticket: Ticket,
        plan: Plan,
        to: Place,
        *,
        after: Part | None = None,
    ) -> Part:
        """Downloads the file of an export that is ready, or the one after another; completely or not at all.

        Raises:
            ExportExpired: If it is gone.
            ExportFailed: If the vendor broke it.
            TransientVendorError: If every try was cut off; the export is still there.
            ContractError: If what came is no such file; keeps its start as evidence.
        """
        raise NotImplementedError(f"{self.stream.key} answers at once")
