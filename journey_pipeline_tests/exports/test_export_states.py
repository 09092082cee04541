"""The transition table: every edge is there, every other one raises."""

from __future__ import annotations

import itertools

import pytest

from journey_pipeline.errors import LedgerError
from journey_pipeline.exports.states import ENDED, TRANSITIONS, Edge, State, after

# Written once more, from the vendors' contracts, so that a slip in the table can't agree with itself.
EXPECTED: dict[tuple[State, Edge], State] = {
    (State.WANTED, Edge.ASK): State.ASKING,
    (State.REFUSED, Edge.ASK): State.ASKING,
    (State.UNKNOWN, Edge.ASK): State.ASKING,
    (State.FAILED, Edge.ASK): State.ASKING,
    (State.EXPIRED, Edge.ASK): State.ASKING,
    (State.ASKING, Edge.ANSWER): State.REQUESTED,
    (State.UNKNOWN, Edge.ANSWER): State.REQUESTED,
    (State.ASKING, Edge.LOSE_ANSWER): State.UNKNOWN,
    (State.ASKING, Edge.REFUSE): State.REFUSED,
    (State.ASKING, Edge.STOP): State.STOPPED,
    (State.ASKING, Edge.DELIVER): State.READY,
    (State.UNKNOWN, Edge.DELIVER): State.READY,
    (State.REQUESTED, Edge.DELIVER): State.READY,
    (State.OVERDUE, Edge.DELIVER): State.READY,
    (State.REQUESTED, Edge.DELAY): State.OVERDUE,
    (State.REQUESTED, Edge.FAIL): State.FAILED,
    (State.OVERDUE, Edge.FAIL): State.FAILED,
    (State.READY, Edge.FAIL): State.FAILED,
    (State.REQUESTED, Edge.EXPIRE): State.EXPIRED,
    (State.OVERDUE, Edge.EXPIRE): State.EXPIRED,
    (State.READY, Edge.EXPIRE): State.EXPIRED,
    (State.REQUESTED, Edge.STOP): State.STOPPED,
    (State.OVERDUE, Edge.STOP): State.STOPPED,
    (State.READY, Edge.STOP): State.STOPPED,
    (State.REQUESTED, Edge.SPLIT): State.SPLIT,
    (State.OVERDUE, Edge.SPLIT): State.SPLIT,
    (State.FAILED, Edge.SPLIT): State.SPLIT,
    (State.STOPPED, Edge.SPLIT): State.SPLIT,
    (State.READY, Edge.LAND): State.LANDED,
    (State.SPLIT, Edge.LAND): State.LANDED,
    (State.STOPPED, Edge.REOPEN): State.WANTED,
    **{(state, Edge.REPLACE): State.REPLACED for state in State if state not in {State.LANDED, State.REPLACED}},
}


@pytest.mark.parametrize(("state", "edge"), list(itertools.product(State, Edge)), ids=str)
def test_an_edge_leads_where_it_should_or_raises(state: State, edge: Edge) -> None:
    if (state, edge) in EXPECTED:
        assert after(state, edge) is EXPECTED[state, edge]
    else:
        with pytest.raises(LedgerError, match=f"that is {state} can't {edge}"):
            after(state, edge)


def test_every_state_can_be_reached_and_left_unless_it_is_an_end() -> None:
    reached = {State.WANTED} | {target for _, target in TRANSITIONS.values()}
    left = {source for sources, _ in TRANSITIONS.values() for source in sources}
    assert reached == set(State)
    assert left == set(State) - ENDED
