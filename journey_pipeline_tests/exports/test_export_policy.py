"""Waits and ceilings, as functions of times."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from journey_pipeline.exports.policy import Backoff

SHORTEST, LONGEST = timedelta(seconds=2), timedelta(minutes=5)


def test_waits_double_from_two_seconds_to_five_minutes() -> None:
    waits = [Backoff(jitter=0).wait(tries, 1).total_seconds() for tries in range(10)]
    assert waits == [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


@given(tries=st.integers(-1, 10_000), seed=st.text(), jitter=st.floats(0, 1))
def test_a_wait_is_never_longer_than_the_longest_nor_shorter_than_its_share(
    tries: int, seed: str, jitter: float
) -> None:
    full = Backoff(jitter=0).wait(tries, seed)
    wait = Backoff(jitter=jitter).wait(tries, seed)
    assert full * (1 - jitter) - timedelta(microseconds=1) <= wait <= full <= LONGEST
    assert full >= SHORTEST


def test_the_same_seed_gives_the_same_waits_and_another_seed_others() -> None:
    waits = {seed: [Backoff().wait(tries, seed) for tries in range(8)] for seed in ("1/1", "1/2", "2/1")}
    assert waits["1/1"] == [Backoff().wait(tries, "1/1") for tries in range(8)]
    assert len({tuple(series) for series in waits.values()}) == 3
