"""What a process held that was killed on this machine is free at once; what a living one holds is not."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from journey_pipeline.exports.export import Edge, Reason
from journey_pipeline.exports.ledger import Ledger
from journey_pipeline.exports.orders import end_leases_of_the_dead
from journey_pipeline.processes import is_dead, this_process
from journey_pipeline_tests.exports.made_orders import (
    HOUR,
    MINUTE,
    NOW,
    export_of,
    made_ready,
    queue,
    requested,
    steps,
    wanted,
)

pytestmark = pytest.mark.slow(reason="processes hold exports, and are killed")

ROOT = Path(__file__).parents[2]
AT = NOW + 6 * MINUTE
PREPARED: dict[str, Callable[[Ledger], object]] = {
    "ask": lambda _: None,
    "poll": requested,
    "collect": made_ready,
}


@contextmanager
def holder(url: str, step: str) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the only export."""
    command = [sys.executable, "-m", "journey_pipeline_tests.exports.holder", url, step, AT.isoformat()]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("step", PREPARED)
def test_a_process_that_lives_keeps_what_it_holds(ledger: Ledger, ledger_url: str, step: str) -> None:
    wanted(ledger)
    PREPARED[step](ledger)
    with holder(ledger_url, step):
        assert end_leases_of_the_dead(ledger, "apsis", at=AT) == []
        assert queue(ledger, AT).next_to_look() is None
        assert queue(ledger, AT).lease_to_fetch(1) is None


def test_what_a_killed_process_was_polling_is_polled_at_once(ledger: Ledger, ledger_url: str) -> None:
    wanted(ledger)
    requested(ledger)
    with holder(ledger_url, "poll") as process:
        process.kill()
        process.wait()
        assert queue(ledger, AT).next_to_look() is None
        assert [export.id for export in end_leases_of_the_dead(ledger, "apsis", at=AT)] == [1]
    assert queue(ledger, AT).next_to_look()


def test_what_a_killed_process_was_fetching_is_fetched_at_once(ledger: Ledger, ledger_url: str) -> None:
    wanted(ledger)
    made_ready(ledger)
    with holder(ledger_url, "collect") as process:
        process.kill()
        process.wait()
        assert [export.id for export in end_leases_of_the_dead(ledger, "apsis", at=AT)] == [1]
    assert queue(ledger, AT).lease_to_fetch(1)


def test_what_a_killed_process_was_asking_for_may_have_been_made_and_is_asked_for_again_in_ten_minutes(
    ledger: Ledger, ledger_url: str
) -> None:
    wanted(ledger)
    with holder(ledger_url, "ask") as process:
        process.kill()
        process.wait()
        assert [export.id for export in end_leases_of_the_dead(ledger, "apsis", at=AT)] == [1]
    assert queue(ledger, AT).next_to_ask() is None
    assert export_of(ledger, 1).reason is Reason.UNANSWERED
    again = queue(ledger, AT + 10 * MINUTE).next_to_ask()
    assert again
    assert again.attempt == 2
    with ledger.reading() as tx:
        assert [edge for edge, *_ in steps(tx, 1)] == [Edge.ASK, Edge.ASK_AGAIN, Edge.ASK]


def test_a_lease_that_has_run_out_is_nobody_s_to_end(ledger: Ledger, ledger_url: str) -> None:
    wanted(ledger)
    made_ready(ledger)
    with holder(ledger_url, "collect") as process:
        process.kill()
        process.wait()
        assert end_leases_of_the_dead(ledger, "apsis", at=AT + HOUR) == []


@pytest.mark.parametrize("name", [None, "", "x", "1@elsewhere.example:1.0"])
def test_what_can_not_be_known_to_be_dead_is_not_called_so(name: str | None) -> None:
    assert not is_dead(name)


def test_this_process_lives_and_one_that_had_its_number_before_does_not() -> None:
    name, _, created = this_process().rpartition(":")
    assert not is_dead(f"{name}:{created}")
    assert is_dead(f"{name}:{float(created) - 60}")
