"""The journeys that the shop runs: their versions, which all run at once, and the steps of each.

Ids follow from the world's seed. Not here: what the plans are (`plans.py`), plausible names (`naming.py`), and how many
contacts take which way (`routes.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from journey_pipeline.sandbox.world.naming import Naming, named, repeated
from journey_pipeline.sandbox.world.plans import PLANS, Plan, Split, Step

# A name for each journey in turn; the same ones come again, numbered, in a larger catalogue.
_NAMES = (
    'Winter, "soft" start',
    "Cart abandoned",
    "Win-back\nsecond line",
    "Tack för köpet, åäö 🚚",
    "=SUM(ads)",
    "  padded name  ",
    "مرحبا بك, welcome",
    "Tab\there",
    "Plain welcome",
    "50% off; today | only",
)
_VERSIONS = (2, 1, 3, 1, 1)  # how many versions the journeys have, in turn
_FIRST_CREATED_AT = datetime(2024, 2, 1, 9, 30, tzinfo=UTC)


@dataclass(frozen=True, slots=True, eq=False)
class Activity:
    """One step of one version of a journey.

    Attributes:
        id: GUID; another one in each version.
        key: Such as `EMAILV2-1`; the same in each version.
        name: As the marketer wrote it; may be empty.
        type: As journey history spells it; upper case in some versions.
        step: What it does.
        next_keys: For each outcome the key of the step that follows, None at an end.
    """

    id: str
    key: str
    name: str
    type: str
    step: Step | Split = field(repr=False)
    next_keys: tuple[str | None, ...] = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Version:
    """One version of a journey: what history calls a definition.

    Attributes:
        number: From 1.
        definition_id: GUID; equal to the journey's id for version 1.
        status: Such as `Published`.
        listed: Whether the journey list still has it; history does in any case.
        activities: All steps, in the order of the plan; the first is the entry.
        modified_at: When it was last saved.
    """

    number: int
    definition_id: str
    status: str
    listed: bool
    activities: tuple[Activity, ...] = field(repr=False)
    modified_at: datetime


@dataclass(frozen=True, slots=True, eq=False)
class Journey:
    """One journey.

    Attributes:
        id: GUID, the same for all versions.
        key: Such as `journey-0`, the same for all versions.
        name: Any text.
        plan: What its contacts go through.
        weight: Its share of all entries, relative to the others.
        event_id: GUID of the entry event's definition, equal on all of its rows.
        event_name: Name of that event.
        entry_source: How contacts come in.
        versions: Oldest first.
    """

    id: str
    key: str
    name: str
    plan: Plan = field(repr=False)
    weight: float
    event_id: str
    event_name: str
    entry_source: str
    versions: tuple[Version, ...] = field(repr=False)


def guid(*parts: object) -> str:
    """A GUID that follows from its parts."""
    return guid_text(int.from_bytes(hashlib.blake2b(repr(parts).encode(), digest_size=16).digest()))


def guid_text(number: int) -> str:
    """A number below 2**128 as a GUID."""
    text = f"{number:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def catalog(seed: int, journeys: int, names: Naming = "hostile") -> tuple[Journey, ...]:
    """The journeys of a world. The last version but one of the third journey is deleted: in history, not listed."""
    return tuple(_journey(seed, index, names) for index in range(journeys))


def steps(plan: Plan) -> Iterator[Step | Split]:
    """All steps of a plan, those of the branches after the split."""
    for node in plan:
        yield node
        if isinstance(node, Split):
            for branch in node.branches:
                yield from steps(branch.plan)


def _journey(seed: int, index: int, names: Naming) -> Journey:
    plan, source, weight = PLANS[index % len(PLANS)]
    round_number, name = index // len(_NAMES), _NAMES[index % len(_NAMES)]
    count = _VERSIONS[index % len(_VERSIONS)]
    return Journey(
        id=guid(seed, "journey", index),
        key=f"journey-{index}",
        name=repeated(name, round_number, names),
        plan=plan,
        weight=weight / (1 + round_number),
        event_id=guid(seed, "event", index),
        event_name=f"[demo] entry {index}, {source}",
        entry_source=source,
        versions=tuple(_version(seed, index, plan, number, count, names=names) for number in range(1, count + 1)),
    )


def _version(seed: int, index: int, plan: Plan, number: int, count: int, *, names: Naming) -> Version:
    newest, deleted = number == count, count > 2 and number == count - 1  # noqa: PLR2004 - one before the newest
    return Version(
        number=number,
        definition_id=guid(seed, "journey", index) if number == 1 else guid(seed, "version", index, number),
        status="Published" if newest else "Deleted" if deleted else "Unpublished",
        listed=not deleted,
        activities=_activities(seed, index, plan, number, names),
        modified_at=_FIRST_CREATED_AT + timedelta(days=index * 3 + number, milliseconds=20 * number),
    )


def _activities(seed: int, index: int, plan: Plan, number: int, names: Naming) -> tuple[Activity, ...]:
    keys: dict[int, str] = {}
    seen: dict[str, int] = {}
    for position, step in enumerate(steps(plan)):
        seen[step.type] = seen.get(step.type, 0) + 1
        keys[position] = f"{list_type(step.type)}-{seen[step.type]}"
    shouted = (index + number) % 4 == 0
    following = _following(plan)
    return tuple(
        Activity(
            id=guid(seed, "activity", index, number, position),
            key=keys[position],
            name=named(step.name, names),
            type=step.type.upper() if shouted else step.type,
            step=step,
            next_keys=tuple(None if after is None else keys[after] for after in following[position]),
        )
        for position, step in enumerate(steps(plan))
    )


def _following(plan: Plan, start: int = 0) -> list[tuple[int | None, ...]]:
    """For each step, in the order of `steps`, the positions of those that can come next."""
    found: list[tuple[int | None, ...]] = []
    for index, node in enumerate(plan):
        position = start + index
        if not isinstance(node, Split):
            found.append((position + 1 if index + 1 < len(plan) else None,))
            continue
        firsts: list[int | None] = []
        inner: list[tuple[int | None, ...]] = []
        for branch in node.branches:
            firsts.append(position + 1 + len(inner) if branch.plan else None)
            inner += _following(branch.plan, position + 1 + len(inner))
        found += [tuple(firsts), *inner]
    return found


def list_type(activity_type: str) -> str:
    """The type as the journey list spells it: `WAIT` where history says `waitactivity`."""
    return activity_type.removesuffix("activity").upper()
