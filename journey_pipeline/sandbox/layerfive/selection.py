"""Which of the world's touchpoints an answer holds: the contract's algebra, for one question and for a year of them.

With K(T) the people known at T and k(p) the moment p became known, the answer to a day D at T is what those of
K(T) did in [D, T], and besides, of those with D <= k(p) <= T, what they did in [T - 90 d, T] (or [k(p) - 90 d, T]). A
narrow one holds the second part alone. Not here: reading the question (`question.py`), how a touchpoint is told
(`records.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from journey_pipeline.sandbox.layerfive.options import LayerFiveOptions
from journey_pipeline.sandbox.layerfive.question import Question, not_known
from journey_pipeline.sandbox.world.crowds import NEVER_MS, Milliseconds
from journey_pipeline.sandbox.world.sessions import DAY_MS
from journey_pipeline.sandbox.world.visits import Earliest, Touchpoints, Visits

HISTORY_MS = 90 * DAY_MS
HOUR_MS = 3_600_000
_TAKEN_BACK_ONE_IN = 32


def matching(visits: Visits, question: Question, options: LayerFiveOptions) -> Iterator[Touchpoints]:
    """What an answer holds, a few thousand touchpoints at a time, by person.

    Raises:
        RefusedError: 404 if the question is for a person who is not known, unless the options say otherwise.
    """
    asked_ms = question.asked_ms
    for some in _matching(visits, question, options):
        yield some.only(~taken_back(some, np.full(len(some), asked_ms), options))


def _matching(visits: Visits, question: Question, options: LayerFiveOptions) -> Iterator[Touchpoints]:
    asked_ms, since_ms = question.asked_ms, question.since_ms
    if question.form == "person":
        yield from _of_person(visits, question, options)
        return
    if question.form == "recent":
        since_ms = asked_ms - DAY_MS
        yield from visits.touchpoints(since_ms, asked_ms + 1, earliest=_known_by(asked_ms, since_ms))
        return
    from_asking = options.history_from == "asking"
    first_ms = min(since_ms, asked_ms - HISTORY_MS) if from_asking else since_ms - HISTORY_MS
    earliest = delta(since_ms, asked_ms, from_asking=from_asking, narrow=options.narrow)
    yield from visits.touchpoints(first_ms, asked_ms + 1, earliest=earliest)


def delta(since_ms: int, asked_ms: int, *, from_asking: bool, narrow: bool = False) -> Earliest:
    """From when on the answer to a day holds a person's touches, by when the person became known."""

    def earliest(known_ms: Milliseconds) -> Milliseconds:
        history_ms = (np.full_like(known_ms, asked_ms) if from_asking else known_ms) - HISTORY_MS
        news = known_ms >= since_ms
        from_ms = np.where(news, np.minimum(history_ms, since_ms), NEVER_MS if narrow else since_ms)
        return np.where(known_ms <= asked_ms, from_ms, NEVER_MS)

    return earliest


def _known_by(asked_ms: int, since_ms: int) -> Earliest:
    def earliest(known_ms: Milliseconds) -> Milliseconds:
        return np.where(known_ms <= asked_ms, since_ms, NEVER_MS)

    return earliest


def _of_person(visits: Visits, question: Question, options: LayerFiveOptions) -> Iterator[Touchpoints]:
    number, asked_ms = question.person_number, question.asked_ms
    known_ms = None if number is None else visits.known_ms(number)
    if number is None or known_ms is None or known_ms > asked_ms:
        if options.unknown_person == "404":
            raise not_known()
        return
    found = visits.of_person(number, asked_ms - HISTORY_MS, asked_ms + 1)
    if found is not None:
        yield found


@dataclass(frozen=True, slots=True)
class Run:
    """One question of a daily client: for the day from `since_ms`, asked at `asked_ms`."""

    since_ms: int
    asked_ms: int


def told_by(
    visits: Visits, runs: Sequence[Run], options: LayerFiveOptions
) -> Iterator[tuple[Touchpoints, Milliseconds]]:
    """What the answers to consecutive days hold together, each touchpoint once, and when each was told first.

    Args:
        runs: In order; each is asked after the next one's day has begun, or at that moment.
        options: The reading of the 90 days, and what is taken back.
    """
    since_ms, asked_ms = np.array([(run.since_ms, run.asked_ms) for run in runs], dtype=np.int64).T
    from_asking = options.history_from == "asking"

    def earliest(known_ms: Milliseconds) -> Milliseconds:
        # The first run after a person became known reaches back furthest; later ones only go on from there.
        first = np.searchsorted(asked_ms, known_ms)
        run = np.minimum(first, len(runs) - 1)
        history_ms = (asked_ms[run] if from_asking else known_ms) - HISTORY_MS
        from_ms = np.where(known_ms >= since_ms[run], np.minimum(history_ms, since_ms[run]), since_ms[run])
        return np.where(first < len(runs), from_ms, NEVER_MS)

    first_ms, last_ms = int(since_ms[0]) - HISTORY_MS, int(asked_ms[-1])
    for some in visits.touchpoints(first_ms, last_ms + 1, earliest=earliest):
        told_ms = asked_ms[np.searchsorted(asked_ms, np.maximum(some.occurred_ms, some.known_ms))]
        told = ~taken_back(some, told_ms, options)
        yield some.only(told), told_ms[told]


def taken_back(some: Touchpoints, asked_ms: Milliseconds, options: LayerFiveOptions) -> npt.NDArray[np.bool_]:
    """Which touchpoints are no longer told at a moment, one for each of them."""
    if options.taken_back_after_h is None:
        return np.zeros(len(some), dtype=np.bool_)
    old = asked_ms - some.occurred_ms >= int(options.taken_back_after_h * HOUR_MS)
    chosen: npt.NDArray[np.bool_] = old & ((some.luck >> np.uint64(40)) % np.uint64(_TAKEN_BACK_ONE_IN) == 0)
    return chosen
