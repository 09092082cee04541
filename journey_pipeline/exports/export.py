"""An export as everybody sees it, its states, and the one table of how it gets from one to another.

Values only, as they were read at one instant. The ledger refuses an edge that is not in the table.

    wanted --ask--> asking --answer--> pending --deliver--> ready --land--> landed
      ^  ^            |                   |                   |
      |  +--ask_again-+-------------------+-------------------+    says why: refused, unanswered, failed, lost
      |               +--stop-------------+--stop--> stopped  |    says why: rejected, failed, lost
      +--------------------------reopen, by a person----+
                                          +--split--> split --land, with all its parts--> landed

What is due, and why, is not a state: each export has a time and a `Reason` besides. `delay` leaves a pending one
pending and says that it is overdue. `deliver` starts from wherever something was only guessed: a file that is there is
taken whatever was thought of it. `answer`, `ask_again` and `stop` also start from `wanted`, where the answer to a
request came after its timeout. Each state but `landed` and `replaced` can be replaced.
Not here: when an export goes along an edge (`policy.py`, `queue.py`), how it is kept (`ledger.py`).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

from journey_pipeline.errors import ConfigError
from journey_pipeline.model import StreamKey, Window, iso


class State(enum.StrEnum):
    """How far an export has come."""

    WANTED = "wanted"  # in the queue: asked for when it is due
    ASKING = "asking"  # the order is being sent: written before the request leaves
    PENDING = "pending"  # the vendor is at work: looked at when due
    READY = "ready"  # the file can be fetched
    SPLIT = "split"  # smaller exports stand in for it
    STOPPED = "stopped"  # a person must change something first
    LANDED = "landed"  # its file lies in the lake
    REPLACED = "replaced"  # given up: a newer export of the window takes its place


class Reason(enum.StrEnum):
    """Why an export is where it is, where it did not get there by the straight way."""

    REFUSED = "refused"  # the vendor made none: asked again soon
    UNANSWERED = "unanswered"  # no answer says whether the vendor made one
    FAILED = "failed"  # made and broken: asked for again after it has cooled down
    LOST = "lost"  # the vendor no longer has it, or never knew of it
    EXPIRED = "expired"  # its link ended before it had landed
    OVERDUE = "overdue"  # pending for longer than it should take
    REJECTED = "rejected"  # asking, looking or fetching again would give the same
    CHANGED = "changed"  # replaced by an order of the same window that asks for something else
    GIVEN_UP = "given_up"  # replaced by nothing, as a person said
    MERGED = "merged"  # replaced by an order that holds its window and others'
    HALVED = "halved"  # replaced by smaller orders, each for a day of its own
    SUPERSEDED = "superseded"  # a part whose whole came after all


class Verdict(enum.StrEnum):
    """What a call is good for."""

    DELIVERED = "delivered"  # its link is fetched
    REPLAYED = "replayed"  # it came before: there is nothing to do
    QUARANTINED = "quarantined"  # its link breaks a rule: it is fetched only if a person releases it
    ANOTHER = "another link"  # of another file, after a link had come
    NOTICE = "notice"  # the vendor made no file
    EXPIRED = "expired"  # its link had ended when it came
    LATE = "late"  # its export has landed or was replaced
    UNREADABLE = "unreadable"  # it is no JSON


class Edge(enum.StrEnum):
    """A change of an export's state."""

    ASK = "ask"
    ANSWER = "answer"
    ASK_AGAIN = "ask_again"
    DELAY = "delay"
    DELIVER = "deliver"
    SPLIT = "split"
    LAND = "land"
    STOP = "stop"
    REOPEN = "reopen"
    REPLACE = "replace"


ENDED = frozenset({State.LANDED, State.REPLACED})
# An unanswered one may hold a slot at the vendor's, but counting it could keep it from ever being asked for again.
AT_VENDOR = frozenset({State.ASKING, State.PENDING})

TRANSITIONS: Mapping[Edge, tuple[frozenset[State], State]] = MappingProxyType(
    {
        Edge.ASK: (frozenset({State.WANTED}), State.ASKING),
        Edge.ANSWER: (frozenset({State.ASKING, State.WANTED}), State.PENDING),
        Edge.ASK_AGAIN: (AT_VENDOR | {State.READY, State.WANTED}, State.WANTED),
        Edge.DELAY: (frozenset({State.PENDING}), State.PENDING),
        Edge.DELIVER: (frozenset(State) - ENDED, State.READY),
        Edge.SPLIT: (frozenset({State.PENDING, State.WANTED, State.STOPPED}), State.SPLIT),
        Edge.LAND: (frozenset({State.READY, State.SPLIT}), State.LANDED),
        Edge.STOP: (AT_VENDOR | {State.READY, State.WANTED}, State.STOPPED),
        Edge.REOPEN: (frozenset({State.STOPPED}), State.WANTED),
        Edge.REPLACE: (frozenset(State) - ENDED, State.REPLACED),
    }
)


@dataclass(frozen=True, slots=True)
class Order:
    """An order to a vendor.

    Attributes:
        partition: The partition that it lands under: the first one of its window.
        window: What it is for; one or several partitions.
        request: The request without its window, as JSON. It is shown to people: no secrets, no personal data.
    """

    key: StreamKey
    partition: str
    window: Window
    request: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """One export, as the ledger had it at one instant. The process that claimed it answers with this value.

    Attributes:
        id: Its own id; a vendor never sees it.
        partition: The partition that it lands under.
        request: The request without its window.
        parent_id: The export that it is a part of, if that was too large.
        root_id: The export at the top: itself, unless it is a part.
        position: Its place in the connection's queue; parts have the place of what they are parts of.
        reason: Why it is there, where it did not get there by the straight way.
        version: Counts every change; a change based on an earlier version is refused.
        attempt: How often it has been asked for.
        polls: How often the present attempt was polled.
        tries: Calls in a row that have brought it no further.
        failures: How often the vendor made it and broke it.
        losses: How often the vendor had lost it.
        vendor_export_id: The vendor's own id of the present attempt.
        poll_address: Where to ask for it or fetch it. A secret: never shown, and forgotten when it is of no more use.
        has_unreadable_address: Whether its address can't be decrypted, for want of the key.
        generation: Which rules the poll address goes by, where a vendor has several.
        lease: Token of the process that holds it.
        leased_until: When others may take it over.
        due_at: When it is next to be asked for, polled or fetched.
        asked_at: When it was last asked for.
        requested_at: When the vendor took the present attempt on.
        ready_at: When its file was found to be ready.
        last_status: The HTTP status of the last answer; None if there was none.
        error: What went wrong last, without secrets or persons.
        hook: The nonce of the present attempt, for the process that asks; nothing keeps it. A secret.
    """

    id: int
    key: StreamKey
    partition: str
    window: Window
    request: Mapping[str, Any]
    parent_id: int | None
    root_id: int
    position: int
    state: State
    reason: Reason | None
    version: int
    attempt: int
    polls: int
    tries: int
    failures: int
    losses: int
    vendor_export_id: str | None
    poll_address: str | None = field(repr=False)
    has_unreadable_address: bool
    generation: int | None
    lease: str | None = field(repr=False)
    leased_until: datetime | None
    due_at: datetime
    wanted_at: datetime
    asked_at: datetime | None
    requested_at: datetime | None
    polled_at: datetime | None
    ready_at: datetime | None
    landed_at: datetime | None
    changed_at: datetime
    last_status: int | None
    error: str | None
    hook: str | None = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        return f"export {self.id} of {self.key} for {self.window} ({self.standing}, attempt {self.attempt})"

    @property
    def standing(self) -> str:
        """Its state, with the reason if there is one."""
        return f"{self.state}: {self.reason}" if self.reason else str(self.state)

    def life(self) -> dict[str, Any]:
        """Its history up to its fetch, for the manifest and the UI."""
        times = {"requested_at": self.requested_at, "ready_at": self.ready_at}
        return {
            "id": self.vendor_export_id,
            "window": str(self.window),
            "attempt": self.attempt,
            "polls": self.polls,
            **{name: iso(at) if at else None for name, at in times.items()},
        }

    def order(self, window: Window, request: Mapping[str, Any]) -> Order:
        """An order of other extent or content that lands where this one does."""
        return Order(self.key, self.partition, window, request)

    @property
    def name(self) -> str:
        """Names it and its present attempt; its random waits go by it."""
        return f"{self.id}-{self.attempt}"

    @property
    def needs_a_person(self) -> bool:
        """Whether it has stopped, takes longer than it should, or has lost the vendor's one link.

        `turns.stuck` also finds those that wait for too long, and those of which a call was set aside.
        """
        return self.state is State.STOPPED or self.reason in {Reason.OVERDUE, Reason.EXPIRED}

    @property
    def is_awaited(self) -> bool:
        """Whether the vendor may be at work on its present attempt."""
        return self.state in AT_VENDOR or (self.state, self.reason) == (State.WANTED, Reason.UNANSWERED)

    @property
    def is_part(self) -> bool:
        """Whether it stands in for a share of a larger export."""
        return self.parent_id is not None


@dataclass(frozen=True, slots=True)
class Collection:
    """An export whose file or files can all be fetched, to land together or not at all.

    Attributes:
        root: What was ordered; the holder of its lease fetches.
        parts: The exports that have files, in the order of their windows; the root alone if it was never split.
    """

    root: Export
    parts: tuple[Export, ...]

    @property
    def run_key(self) -> str:
        """Names this chance to fetch it: another one after a try failed or a part was made again."""
        attempts = sum(part.attempt for part in self.parts)
        versions = sum({export.id: export.version for export in (self.root, *self.parts)}.values())
        return f"{self.root.key}/{self.root.partition}:{self.root.id}:{attempts}:{versions}"


def check_parts(export: Export, parts: Sequence[Order]) -> None:
    """Checks that parts are smaller than the whole and leave nothing of its window out.

    Raises:
        ConfigError: If they are or do.
    """
    if len(parts) < 2 or any((part.window, part.request) == (export.window, export.request) for part in parts):  # noqa: PLR2004
        raise ConfigError(f"{export} can't be split into {len(parts)} parts of which one is as large as itself")
    covered_until = export.window.start
    for window in sorted(part.window for part in parts):
        if window.start > covered_until or window.start < export.window.start or window.end > export.window.end:
            raise ConfigError(f"{export} can't be split: {window} leaves out a time before it or lies outside")
        covered_until = max(covered_until, window.end)
    if covered_until < export.window.end:
        raise ConfigError(f"{export} can't be split: no part covers what follows {covered_until.isoformat()}")
