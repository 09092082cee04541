"""Two pollers, in processes of their own, on one ledger: nothing is taken up twice, nothing is left behind."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest

from journey_pipeline.exports import turns as listing
from journey_pipeline.exports.database import open_ledger
from journey_pipeline.exports.export import Edge, State
from journey_pipeline_tests.exports.made_orders import DAY, NOW, steps

pytestmark = pytest.mark.slow(reason="two processes poll")

ROOT = Path(__file__).parents[2]
ORDERS = 12


class Poller:
    def __init__(self, url: str, at: datetime) -> None:
        command = [sys.executable, "-m", "journey_pipeline_tests.exports.poller", url, str(ORDERS), at.isoformat()]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def go(self) -> None:
        assert self.process.stdin
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def line(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def finish(self) -> list[str]:
        said, complaints = self.process.communicate(timeout=120)
        assert (self.process.returncode, complaints) == (0, "")
        return said.splitlines()


@contextmanager
def poller(url: str, at: datetime = NOW) -> Iterator[Poller]:
    started = Poller(url, at)
    try:
        yield started
    finally:
        started.process.kill()
        started.process.communicate()


def test_two_pollers_never_hold_the_same_export(empty_url: str) -> None:
    with poller(empty_url) as one, poller(empty_url) as other:
        for step in range(2):
            one.go()
            other.go()
            if step == 0:
                assert (one.line(), other.line()) == ("wanted", "wanted")
        claims = one.finish() + other.finish()
    assert [claim for claim, times in Counter(claims).items() if times > 1] == []
    kinds = Counter(claim.split()[0] for claim in claims)
    assert kinds == {"ask": ORDERS, "poll": ORDERS, "land": ORDERS}
    with open_ledger(empty_url) as ledger:
        exports = listing.listed(ledger, with_ended=True)
    assert [export.state for export in exports] == [State.LANDED] * ORDERS


def test_another_poller_finishes_what_one_that_was_killed_has_left(empty_url: str) -> None:
    with poller(empty_url) as killed:
        killed.go()
        killed.go()
        said = [killed.line() for _ in range(ORDERS)]
        assert "" not in said
        killed.process.kill()
    with poller(empty_url, NOW + DAY) as heir:
        heir.go()
        heir.go()
        heir.finish()
    with open_ledger(empty_url) as ledger, ledger.reading() as tx:
        for export in listing.listed(ledger, with_ended=True):
            assert export.state is State.LANDED
            assert [edge for edge, *_ in steps(tx, export.id)].count(Edge.LAND) == 1
