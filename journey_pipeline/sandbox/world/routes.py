"""All the ways that a contact can go through a journey, each with its share, spelled out to single happenings.

A route is known from its first moment: one 16-bit number picks it from a table, and the table says for every whole hour
after the entry what happens then. That makes any hour cheap, without telling the hours before it. Not here: who comes
and when (`world.py`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, zip_longest
from typing import TypeAlias

from journey_pipeline.sandbox.world.catalog import Activity, Journey, Version, steps
from journey_pipeline.sandbox.world.failures import Failure, failures
from journey_pipeline.sandbox.world.plans import Plan, Split, Step

TABLE_BITS = 16


@dataclass(frozen=True, slots=True, eq=False)
class Happening:
    """What happens at a step: everything of an event but who, when and in which passage.

    Attributes:
        journey: The journey.
        version: Its version.
        activity: The step.
        status: `Complete`, `Failed`, or another word of the vendor.
        outcome: Branch taken, where there is one.
        next_activity: The step that comes then, None at the end.
        failure: Why it failed, None if it didn't.
        waited_h: Hours spent in the step, 0 for all but waits.
    """

    journey: Journey
    version: Version
    activity: Activity
    status: str
    outcome: str
    next_activity: Activity | None
    failure: Failure | None
    waited_h: int


# A happening, its place in the route (from 0) and its place among those of the same hour (from 0).
Placed: TypeAlias = tuple[Happening, int, int]
# For each number below 2**16, what happens in one certain hour after the entry.
Table: TypeAlias = list[tuple[Placed, ...]]


@dataclass(frozen=True, slots=True)
class _Moment:
    """One step on a way through a plan: its position in the plan, and the hours since the entry."""

    hour: int
    position: int
    step: Step | Split
    outcome: str = ""
    failure: Failure | None = None


_Way: TypeAlias = tuple[float, tuple[_Moment, ...]]


def tables(journeys: tuple[Journey, ...]) -> tuple[dict[int, Table], float]:
    """The tables by hours since the entry, and how many rows a passage has on average that the vendor shows."""
    routes = [(share, placed) for journey in journeys for share, placed in _routes(journey)]
    bounds = list(accumulate(share for share, _ in routes))
    size = 1 << TABLE_BITS
    picked = [routes[bisect_right(bounds, (slot + 0.5) / size * bounds[-1])][1] for slot in range(size)]
    hours = sorted({hour for _, placed in routes for hour in placed})
    shown = sum(_shown(happening) for route in picked for placed in route.values() for happening, _, _ in placed)
    return {hour: [route.get(hour, ()) for route in picked] for hour in hours}, shown / size


def _shown(happening: Happening) -> bool:
    return bool(happening.activity.name) or happening.status != "Complete"


def _routes(journey: Journey) -> Iterator[tuple[float, dict[int, tuple[Placed, ...]]]]:
    ways = list(_ways(journey.plan, 0, 0))
    for version in journey.versions:
        # Older versions run out: each has half the entries of the one after it.
        share = journey.weight / 2 ** (len(journey.versions) - version.number)
        known: dict[tuple[_Moment, int | None], Happening] = {}
        for weight, moments in ways:
            yield share * weight, _placed(journey, version, moments, known)


def _placed(
    journey: Journey,
    version: Version,
    moments: tuple[_Moment, ...],
    known: dict[tuple[_Moment, int | None], Happening],
) -> dict[int, tuple[Placed, ...]]:
    """A route's happenings by hour; routes that have one in common share it."""
    found: dict[int, tuple[Placed, ...]] = {}
    for number, (moment, following) in enumerate(zip_longest(moments, moments[1:])):
        after = following.position if following else None
        happening = known.get((moment, after))
        if happening is None:
            happening = known[moment, after] = _happening(journey, version, moment, after)
        same_hour = found.get(moment.hour, ())
        found[moment.hour] = (*same_hour, (happening, number, len(same_hour)))
    return found


def _happening(journey: Journey, version: Version, moment: _Moment, after: int | None) -> Happening:
    step = moment.step
    went_well = step.status if isinstance(step, Step) else "Complete"
    return Happening(
        journey=journey,
        version=version,
        activity=version.activities[moment.position],
        status="Failed" if moment.failure else went_well,
        outcome=moment.outcome,
        next_activity=None if after is None else version.activities[after],
        failure=moment.failure,
        waited_h=step.waits_h if isinstance(step, Step) else 0,
    )


def _ways(plan: Plan, hour: int, position: int) -> Iterator[_Way]:
    """Every way through the rest of a plan, with its share of those who begin it."""
    if not plan:
        yield 1.0, ()
        return
    node, rest = plan[0], plan[1:]
    if isinstance(node, Split):
        yield from _branches(node, hour, position)
        return
    hour += node.waits_h
    taken = _Moment(hour, position, node, node.outcome)
    if node.leaving is not None:
        yield node.leaving, (taken,)
        yield from _then((1 - node.leaving, ()), _ways(rest, hour, position + 1))
        return
    causes = failures(node.type) if node.failing else ()
    for cause in causes:
        yield node.failing / len(causes), (_Moment(hour, position, node, failure=cause),)
    yield from _then((1 - node.failing, (taken,)), _ways(rest, hour, position + 1))


def _branches(split: Split, hour: int, position: int) -> Iterator[_Way]:
    first = position + 1
    for branch in split.branches:
        taken = _Moment(hour, position, split, branch.outcome)
        yield from _then((branch.share, (taken,)), _ways(branch.plan, hour, first))
        first += sum(1 for _ in steps(branch.plan))


def _then(begun: _Way, rest: Iterator[_Way]) -> Iterator[_Way]:
    for share, moments in rest:
        yield begun[0] * share, begun[1] + moments
