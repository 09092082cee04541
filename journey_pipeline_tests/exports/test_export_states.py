"""The transition table: every edge is there, every other one raises."""

from __future__ import annotations

import itertools

from journey_pipeline.errors import LedgerError
from journey_pipeline.exports.export import ENDED, TRANSITIONS, Edge, State
from journey_pipeline.exports.ledger import after

# Written once more, from the vendors' contracts, so that a slip in the table can't agree with itself.
EXPECTED: dict[State, dict[Edge, State]] = {
    State.WANTED: {
        Edge.ASK: State.ASKING,
        Edge.ANSWER: State.PENDING,
        Edge.ASK_AGAIN: State.WANTED,
        Edge.DELIVER: State.READY,
        Edge.SPLIT: State.SPLIT,
        Edge.STOP: State.STOPPED,
        Edge.REPLACE: State.REPLACED,
    },
    State.ASKING: {
        Edge.ANSWER: State.PENDING,
        Edge.ASK_AGAIN: State.WANTED,
        Edge.DELIVER: State.READY,
        Edge.STOP: State.STOPPED,
        Edge.REPLACE: State.REPLACED,
    },
    State.PENDING: {
        Edge.DELAY: State.PENDING,
        Edge.ASK_AGAIN: State.WANTED,
        Edge.DELIVER: State.READY,
        Edge.SPLIT: State.SPLIT,
        Edge.STOP: State.STOPPED,
        Edge.REPLACE: State.REPLACED,
    },
    State.READY: {
        Edge.LAND: State.LANDED,
        Edge.ASK_AGAIN: State.WANTED,
        Edge.DELIVER: State.READY,
        Edge.STOP: State.STOPPED,
        Edge.REPLACE: State.REPLACED,
    },
    State.SPLIT: {Edge.LAND: State.LANDED, Edge.DELIVER: State.READY, Edge.REPLACE: State.REPLACED},
    State.STOPPED: {
        Edge.REOPEN: State.WANTED,
        Edge.DELIVER: State.READY,
        Edge.SPLIT: State.SPLIT,
        Edge.REPLACE: State.REPLACED,
    },
    State.LANDED: {},
    State.REPLACED: {},
}


def end_of(state: State, edge: Edge) -> State | None:
    """Where an edge leads; None if there is none, which says so."""
    try:
        return after(state, edge)
    except LedgerError as error:
        return None if f"that is {state} can't {edge}" in str(error) else state


def test_every_edge_leads_where_it_should_and_every_other_raises() -> None:
    found = {pair: end_of(*pair) for pair in itertools.product(State, Edge)}
    expected = {(state, edge): EXPECTED[state].get(edge) for state, edge in found}
    assert {pair: (end, expected[pair]) for pair, end in found.items() if end is not expected[pair]} == {}


def test_every_state_can_be_reached_and_left_unless_it_is_an_end() -> None:
    reached = {State.WANTED} | {target for _, target in TRANSITIONS.values()}
    left = {source for sources, _ in TRANSITIONS.values() for source in sources}
    assert reached == set(State)
    assert left == set(State) - ENDED
