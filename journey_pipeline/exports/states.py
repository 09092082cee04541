"""The states of an export and the one table of how it gets from one to another. An edge that is not in it raises.

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
Not here: when an export goes along an edge (`policy.py`, `queue.py`), how that is written (`ledger.py`).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType

from journey_pipeline.errors import LedgerError


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
    OVERDUE = "overdue"  # pending for longer than it should take
    REJECTED = "rejected"  # asking, looking or fetching again would give the same
    CHANGED = "changed"  # replaced by an order of the same window that asks for something else
    GIVEN_UP = "given_up"  # replaced by nothing, as a person said
    MERGED = "merged"  # replaced by an order that holds its window and others'
    SUPERSEDED = "superseded"  # a part whose whole came after all


class Edge(enum.StrEnum):
    """What happens to an export."""

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


def after(state: State, edge: Edge) -> State:
    """The state at the end of an edge.

    Raises:
        LedgerError: If no such edge leaves the state.
    """
    sources, target = TRANSITIONS[edge]
    if state not in sources:
        raise LedgerError(
            f"an export that is {state} can't {edge}: that is for one that is {', '.join(sorted(sources))}. "
            "Read the export again and go by its state."
        )
    return target


def needs_a_person(state: str, reason: str | None) -> bool:
    """Whether an export has stopped, or takes longer than it should."""
    return state == State.STOPPED or reason == Reason.OVERDUE
