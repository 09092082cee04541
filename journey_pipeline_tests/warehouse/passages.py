"""What plain Python says of passages: enrolments, their steps, and the sums of these, out of rows of events.

Not here: places of steps in their journeys, which are taken as the warehouse has them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from journey_pipeline_tests.reading import opened

Row = dict[str, Any]
Key = tuple[Any, ...]
RESPONSES = {"deliver", "open", "click", "reply", "bounce", "unsubscribe", "complain", "visit"}
FAILURES = {"fail", "suppress"}


@dataclass(frozen=True)
class Places:
    """What is known of steps: rank and whether it is an end, by connection, journey and step."""

    known: dict[Key, tuple[int | None, bool | None]]

    def rank(self, row: Row) -> int:
        return self.known.get((row["connection"], row["journey_id"], row["activity_id"]), (0, None))[0] or 0

    def is_end(self, row: Row, step: str) -> bool:
        return bool(self.known.get((row["connection"], row["journey_id"], row[step]), (0, None))[1])


@dataclass(frozen=True)
class Passage:
    """A passage, its events in order."""

    rows: list[Row]
    places: Places
    is_shared: bool = False
    """Whether another passage of the connection has the vendor's number too."""

    @cached_property
    def key(self) -> Key:
        first = self.rows[0]
        millisecond = int(first["occurred_at"].timestamp() * 1000 + 1e-4)
        parts = [first["contact_id"], first["journey_id"], str(millisecond)]
        if first["enrolment_id"]:
            parts = [first["enrolment_id"], *(parts[:2] if self.is_shared else [])]
        return first["connection"], "|".join(part for part in parts if part is not None)

    @cached_property
    def steps(self) -> list[Row]:
        return [row for row in self.rows if row["action"] not in {"enter", "exit"} and not is_refusal(row)]

    @cached_property
    def entered_at(self) -> datetime | None:
        return min((row["occurred_at"] for row in self.rows if row["action"] == "enter"), default=None)

    @cached_property
    def status(self) -> str:
        last = self.rows[-1]
        if any(map(is_refusal, self.rows)):
            return "refused"
        if last["action"] == "convert":
            return "converted"
        if last["activity_type"] == "exitcriteriaactivity" or (
            last["action"] == "exit" and last["reason"] in {"exit_criteria", "dropped"}
        ):
            return "exited"
        ends = (self.places.is_end(last, step) for step in ("activity_id", "next_activity_id"))
        if last["action"] == "exit" or any(ends):
            return "finished"
        return "failed" if last["action"] in FAILURES else "open"

    @property
    def is_let_in(self) -> bool:
        return self.entered_at is not None and self.status != "refused"

    @cached_property
    def filed(self) -> Key:
        """Connection, journey and day under which it is counted."""
        first = self.rows[0]
        at = self.entered_at or first["occurred_at"]
        return first["connection"], first["journey_id"], at.astimezone(UTC).date()

    def enrolment(self) -> Row:
        last, status = self.rows[-1], self.status
        steps = self.steps
        named = [row["activity_id"] for row in steps if row["activity_id"] is not None]
        return {
            "journey_id": last["journey_id"],
            "contact_id": last["contact_id"],
            "entered_at": self.entered_at,
            "entered_on": self.filed[2],
            "first_event_at": self.rows[0]["occurred_at"],
            "last_event_at": last["occurred_at"],
            "status": status,
            "ended_at": None if status == "open" else last["occurred_at"],
            "converted_at": min((row["occurred_at"] for row in self.rows if row["action"] == "convert"), default=None),
            "last_activity_id": named[-1] if named else None,
            "next_activity_id": last["next_activity_id"] if status == "open" else None,
            "steps": len(steps),
            "sends": sum(row["action"] == "send" for row in self.rows),
            "failures": sum(row["action"] in FAILURES for row in self.rows),
        }

    def visits(self) -> list[Key]:
        """Of each step: number, key of the event, seconds since the step before, the steps beside it."""
        found, before, previous = [], self.entered_at, None
        steps = self.steps
        for number, row in enumerate(steps, 1):
            since = None if before is None else (row["occurred_at"] - before).total_seconds()
            after = next((later["activity_id"] for later in steps[number:] if later["activity_id"] is not None), None)
            found.append((*self.key, number, row["event_key"], since, previous, after))
            before, previous = row["occurred_at"], row["activity_id"] or previous
        return found


def is_refusal(row: Row) -> bool:
    return bool(row["action"] == "skip" and row["channel"] == "journey")


def phase(row: Row) -> int:
    if row["action"] == "enter":
        return 0
    if is_refusal(row):
        return 1
    return 3 if row["action"] in {"exit", "convert"} else 2


def passages(rows: Iterable[Row], places: Places) -> list[Passage]:
    """The passages that events are of."""
    units: dict[Key, list[Row]] = defaultdict(list)
    for row in rows:
        is_told = row["journey_id"] is not None and (row["contact_id"] is not None or row["enrolment_id"] is not None)
        is_alone = row["message_id"] == row["journey_id"]
        is_response = row["activity_id"] is not None and row["action"] in RESPONSES
        if is_told and not is_response and not row["is_test"] and not is_alone:
            unit = tuple(row[name] for name in ("connection", "journey_id", "contact_id", "enrolment_id"))
            units[unit].append(row)
    found = []
    for unit in units.values():
        unit.sort(
            key=lambda row: (
                row["occurred_at"],
                phase(row),
                places.rank(row),
                row["activity_id"] is None,
                row["activity_id"] or "",
                row["event_key"],
            )
        )
        found += [Passage(part, places) for part in _cut(unit)]
    numbers = Counter((one.rows[0]["connection"], one.rows[0]["enrolment_id"]) for one in found)
    return [
        replace(one, is_shared=numbers[one.rows[0]["connection"], one.rows[0]["enrolment_id"]] > 1) for one in found
    ]


def _cut(unit: list[Row]) -> list[list[Row]]:
    parts: list[list[Row]] = []
    entered: datetime | None = None
    for row in unit:
        begins = row["action"] == "enter" and not row["enrolment_id"]
        if not parts or (begins and (entered is None or row["occurred_at"] > entered + timedelta(seconds=60))):
            parts.append([])
        if row["action"] == "enter":
            entered = row["occurred_at"] if entered is None else max(entered, row["occurred_at"])
        parts[-1].append(row)
    return parts


def funnel(found: Iterable[Passage]) -> dict[Key, tuple[int, ...]]:
    """Reached, done, failed, went on, ended here, open here; by connection, journey, day of entry and step."""
    counted: dict[Key, Counter[str]] = defaultdict(Counter)
    for passage in (passage for passage in found if passage.is_let_in):
        steps = passage.steps
        last = steps[-1]["activity_id"] if steps else "entered"
        actions: dict[str | None, set[bool]] = defaultdict(set)
        for row in steps:
            actions[row["activity_id"]].add(row["action"] in FAILURES)
        actions["entered"] = {False}
        for step, failed in actions.items():
            counts = counted[*passage.filed, step]
            counts["reached"] += 1
            counts["done"] += False in failed
            counts["failed"] += True in failed
            here = ("open" if passage.status == "open" else "ended") if step == last else "on"
            counts[here] += 1
    order = ("reached", "done", "failed", "on", "ended", "open")
    return {key: tuple(counts[name] for name in order) for key, counts in counted.items() if key[-1] is not None}


def transitions(found: Iterable[Passage]) -> Counter[Key]:
    """Moves by connection, journey, day of entry, and the two steps; the second may be a status."""
    moves: Counter[Key] = Counter()
    for passage in (passage for passage in found if passage.is_let_in):
        named = [row["activity_id"] for row in passage.steps if row["activity_id"] is not None]
        path = ["entered", *named, passage.status]
        moves.update((*passage.filed, one, other) for one, other in pairwise(path))
    return moves


def assert_marts_are_as_in_the_model(file: Path) -> list[Passage]:
    """Holds the marts of a warehouse's file against what plain Python says of its events."""
    with opened(file) as session:

        def read(sql: str) -> list[Row]:
            cursor = session.execute(sql)
            names = [name for name, *_ in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

        places = Places(
            {tuple(row.values())[:3]: tuple(row.values())[3:5] for row in read("from internal.step_places")}
        )
        roots = {(row["connection"], row["journey_id"]): row for row in read("from internal.journey_roots")}
        found = [
            passage
            for passage in passages(read(f"select {', '.join(EVENT)} from core.journey_events"), places)
            if not roots[passage.filed[:2]]["is_test"]
        ]
        numbers = _numbers(found, roots)
        held = {(row["connection"], row["enrolment_id"]): row for row in read("from marts.journey_enrolments")}
        expected = {passage.key: passage.enrolment() | numbers.get(passage.key, {}) for passage in found}
        assert {key: {name: held[key][name] for name in row} for key, row in expected.items()} == expected
        assert held.keys() == expected.keys()
        steps = session.execute(
            f"select {', '.join(STEP)} from marts.enrolment_steps order by connection, enrolment_id, step_number"
        ).fetchall()
        assert steps == sorted((step for passage in found for step in passage.visits()), key=lambda step: step[:3])
        counted = {
            (*(row[name] for name in COHORT), row["activity_id"]): tuple(row[name] for name in REACHED)
            for row in read("from marts.journey_funnel")
        }
        assert counted == funnel(found)
        moves = {
            (*(row[name] for name in COHORT), row["from_activity_id"], row["to_activity_id"]): row["moves"]
            for row in read("from marts.journey_transitions")
        }
        assert moves == transitions(found)
    return found


# What is read of an event, and no more: most of what a warehouse's file holds are other columns.
EVENT = (
    *("connection", "event_key", "occurred_at", "journey_id", "contact_id", "enrolment_id", "message_id", "is_test"),
    *("activity_id", "activity_type", "next_activity_id", "action", "channel", "reason"),
)
COHORT = ("connection", "journey_id", "entered_on")
REACHED = ("reached", "done", "failed", "went_on", "ended_here", "open_here")
STEP = (
    *("connection", "enrolment_id", "step_number", "event_key"),
    *("seconds_before", "previous_activity_id", "next_activity_id"),
)


def _numbers(found: Iterable[Passage], roots: dict[Key, Row]) -> dict[Key, Row]:
    """How many times each person has entered a journey, in any version."""
    entered: Counter[Key] = Counter()
    numbers: dict[Key, Row] = {}
    for passage in sorted(
        found, key=lambda one: (one.rows[0]["occurred_at"], one.filed[1], one.rows[0]["enrolment_id"] or "~")
    ):
        root = roots[passage.filed[:2]]["journey_root_id"]
        person = (passage.filed[0], root, passage.rows[0]["contact_id"])
        if passage.status != "refused":
            entered[person] += 1
        number = entered[person] if person[2] is not None else 1
        numbers[passage.key] = {
            "journey_root_id": root,
            "enrolment_number": None if passage.status == "refused" else number,
        }
    return numbers
