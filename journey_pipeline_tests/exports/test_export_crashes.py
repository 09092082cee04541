"""A worker dies at each point of each step, once: the next one finishes, and the order lands once."""

from __future__ import annotations

import pytest

from journey_pipeline.exports import turns as listing
from journey_pipeline.exports.export import Edge, State
from journey_pipeline.exports.ledger import Ledger
from journey_pipeline_tests.exports.made_orders import DAY, NOW, POLICY, queue, steps, wanted
from journey_pipeline_tests.exports.made_vendor import Crash, Moment, Vendor, Worker

pytestmark = pytest.mark.slow(reason="each step ends at each of its moments")

DEATHS = [moment for moment in Moment if moment is not Moment.NEVER]
STEPS = ["ask", "poll", "collect"]


@pytest.mark.parametrize("moment", DEATHS, ids=lambda moment: moment.name.lower())
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("days", [1, 2])
def test_an_order_lands_once_wherever_a_worker_dies(ledger: Ledger, step: str, moment: Moment, days: int) -> None:
    worker = Worker(ledger, Vendor(limit=2), POLICY)
    root = wanted(ledger, days=days)
    deaths, at = [moment], NOW
    while (due_at := queue(ledger, at).next_due_at()) and at < NOW + DAY:
        at = max(at, due_at)
        dies = {name: deaths[0] if deaths and name == step else Moment.NEVER for name in STEPS}
        try:
            worker.ask(at, dies["ask"], "taken on")
            worker.poll(at, dies["poll"])
            worker.collect(root.id, at, dies["collect"], "whole")
        except Crash:
            deaths.clear()
        for made in worker.vendor.exports.values():
            if made.status == "pending":
                worker.vendor.settle(made, "ready")
    assert not deaths
    assert {export.state for export in listing.listed(ledger, with_ended=True)} == {State.LANDED}
    with ledger.reading() as tx:
        assert [edge for edge, *_ in steps(tx, root.id)].count(Edge.LAND) == 1
    # Dead after the lake had it: it lands there again, and its events count once.
    twice = step == "collect" and moment in {Moment.ACTED, Moment.NOTING}
    assert [number for number, _ in worker.landings] == [root.id] * (1 + twice)
