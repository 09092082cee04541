"""The states of an export and the one table of how it gets from one to another. An edge that is not in it raises.

    wanted --ask--> asking --answer--> requested --deliver--> ready --land--> landed
                       |                   |
                       |                 delay
                       |                   |
                       |                overdue (goes on as requested does)
                       |                   |
                       |                   +--fail---> failed ---+
                       |                   +--expire-> expired --+
                       +--refuse---------- | --------> refused --+
                       +--lose_answer----- | --------> unknown --+--ask, when due--> asking
                       +--stop-------------+--stop---> stopped --reopen, by a person--> wanted
                                           +--split--> split --land, with all its parts--> landed

Besides: `answer` and `deliver` also end `unknown` (the answer came late), `deliver` also ends `asking` (a webhook was
quicker than the answer), `fail`, `expire` and `stop` also end `ready`, `split` also ends `failed` and `stopped`, and
whatever is neither landed nor replaced can be replaced. Not here: when an export goes along an edge (`policy.py`,
`queue.py`), how that is written (`ledger.py`).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType

from journey_pipeline.errors import LedgerError


class State(enum.StrEnum):
    """How far an export has come."""

    WANTED = "wanted"  # in the queue, never asked for
    ASKING = "asking"  # somebody is about to ask, or is asking: written before the request leaves
    UNKNOWN = "unknown"  # asked for, and no answer says whether the vendor made an export
    REFUSED = "refused"  # the vendor made none: ask again soon
    REQUESTED = "requested"  # the vendor is at work: polled when due
    OVERDUE = "overdue"  # the same, for longer than it should take
    READY = "ready"  # the file can be fetched
    FAILED = "failed"  # made and broken: asked for again after it has cooled down
    EXPIRED = "expired"  # the vendor no longer has it, or never knew of it: asked for again
    SPLIT = "split"  # smaller exports stand in for it
    STOPPED = "stopped"  # a person must change something first
    LANDED = "landed"  # its file lies in the lake
    REPLACED = "replaced"  # given up: a newer export of the window takes its place


class Edge(enum.StrEnum):
    """What happens to an export."""

    ASK = "ask"
    ANSWER = "answer"
    LOSE_ANSWER = "lose_answer"
    REFUSE = "refuse"
    DELAY = "delay"
    DELIVER = "deliver"
    FAIL = "fail"
    EXPIRE = "expire"
    SPLIT = "split"
    LAND = "land"
    STOP = "stop"
    REOPEN = "reopen"
    REPLACE = "replace"


ENDED = frozenset({State.LANDED, State.REPLACED})
TO_ASK = frozenset({State.WANTED, State.REFUSED, State.UNKNOWN, State.FAILED, State.EXPIRED})
TO_POLL = frozenset({State.REQUESTED, State.OVERDUE})
NEEDS_A_PERSON = frozenset({State.STOPPED, State.OVERDUE})
# An unknown one may hold a slot at the vendor's, but counting it could keep it from ever being asked for again.
PENDING = frozenset({State.ASKING}) | TO_POLL

TRANSITIONS: Mapping[Edge, tuple[frozenset[State], State]] = MappingProxyType(
    {
        Edge.ASK: (TO_ASK, State.ASKING),
        Edge.ANSWER: (frozenset({State.ASKING, State.UNKNOWN}), State.REQUESTED),
        Edge.LOSE_ANSWER: (frozenset({State.ASKING}), State.UNKNOWN),
        Edge.REFUSE: (frozenset({State.ASKING}), State.REFUSED),
        Edge.DELAY: (frozenset({State.REQUESTED}), State.OVERDUE),
        Edge.DELIVER: (frozenset({State.ASKING, State.UNKNOWN}) | TO_POLL, State.READY),
        Edge.FAIL: (TO_POLL | {State.READY}, State.FAILED),
        Edge.EXPIRE: (TO_POLL | {State.READY}, State.EXPIRED),
        Edge.SPLIT: (TO_POLL | {State.FAILED, State.STOPPED}, State.SPLIT),
        Edge.LAND: (frozenset({State.READY, State.SPLIT}), State.LANDED),
        Edge.STOP: (PENDING | {State.READY}, State.STOPPED),
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
