"""A lake with two streams that tell of some of the same things, and what plain Python says must come of that.

Not here: lakes in general (`made_lake.py`).
"""

from __future__ import annotations

import json
import uuid
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import EventsManifest
from journey_pipeline.model import StreamKey
from journey_pipeline.recipe import Twin
from journey_pipeline.warehouse.connection import warehouse_file
from journey_pipeline_tests.warehouse.made_lake import (
    SFMC,
    Event,
    MadeLake,
    assert_is_as_in_the_model,
    rows_of,
)

PROFILES = StreamKey("apsis", "apsis", "profile_events")
EMAILS = StreamKey("apsis", "apsis", "email_events")
TWIN = Twin(stream="email_events", property="correlation_id", channel="email")

PLACE = (
    *("journey_id", "journey_name", "journey_version", "enrolment_id", "activity_id", "activity_name"),
    *("activity_type", "next_activity_id"),
)

Agreement = dict[tuple[date, str, str], tuple[str, int, int, int]]


@dataclass(frozen=True)
class Told(Event):
    """An event that carries what its source calls it."""

    correlation: str | None = "c-1"
    channel: str = "email"
    enrolment: str | None = None

    def columns(self, stream: StreamKey, partition: str) -> dict[str, Any]:
        """The canonical row; the same key in two streams is two events."""
        properties: dict[str, Any] = {"data": {}, "correlation_id": self.correlation, "other_id": self.contact}
        key = f"{stream} {self.key}".encode()
        return super().columns(stream, partition) | {
            "event_key": uuid.uuid5(uuid.NAMESPACE_OID, key.decode()),
            "channel": self.channel,
            "message_id": self.journey if stream.stream == EMAILS.stream else None,
            "enrolment_id": self.enrolment,
            "properties": json.dumps({name: value for name, value in properties.items() if value is not None}),
        }


@dataclass(frozen=True)
class _Linked:
    """What the two streams of a pair have at one link key."""

    told: list[dict[str, Any]]
    twins: list[dict[str, Any]]


class TwinLake(MadeLake):
    """A lake whose manifests say which stream has a twin."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.twins: dict[tuple[StreamKey, str], Twin] = {}

    def put(
        self, partition: str, rows: list[Event], stream: StreamKey = SFMC, rejects: int = 0, **manifest: Any
    ) -> EventsManifest:
        """Puts a partition; `twin` says which the manifest names: by default the profile events' own."""
        twin = manifest.pop("twin", TWIN if stream == PROFILES else None)
        self.twins.pop((stream, partition), None)
        if twin:
            self.twins[stream, partition] = twin
        return super().put(partition, rows, stream, rejects, twin=twin, **manifest)

    def remove(self, partition: str, stream: StreamKey = SFMC) -> None:
        """Takes a partition out."""
        super().remove(partition, stream)
        self.twins.pop((stream, partition), None)

    def links(self) -> dict[uuid.UUID, tuple[uuid.UUID, date]]:
        """What `core.linked_events` must hold, by key."""
        return {
            row["event_key"]: (min(twin["event_key"] for twin in linked.twins), row["occurred_on"])
            for _, _, linked in self._linked()
            if linked.twins
            for row in linked.told
        }

    def agreement(self) -> Agreement:
        """What `ops.agreement` must hold, by its key."""
        found: dict[tuple[date, str, str], Counter[str]] = defaultdict(Counter)
        twin_of = {}
        for stream, twin, linked in self._linked():
            twin_of[stream.connection, stream.stream] = twin.stream
            for row in linked.twins:
                place = "in_both" if linked.told else "only_in_twin"
                found[row["occurred_on"], stream.connection, stream.stream][place] += 1
            for row in () if linked.twins else linked.told:
                found[row["occurred_on"], stream.connection, stream.stream]["only_in_stream"] += 1
        return {
            key: (twin_of[key[1:]], counts["in_both"], counts["only_in_stream"], counts["only_in_twin"])
            for key, counts in found.items()
        }

    def daily(self) -> dict[tuple[Any, ...], tuple[int, int]]:
        """As in any lake, without what is left out."""
        return self.count(self.counted())

    def counted(self) -> list[dict[str, Any]]:
        """The rows of `core.counted_events`, tests among them."""
        left_out, places = self.links().keys(), self._places()
        rows = [row for key, row in self.winners().items() if key not in left_out]
        by_itself = dict.fromkeys(("journey_id", "journey_name", "journey_version"))
        return [
            row
            | (by_itself if row["message_id"] and row["journey_id"] == row["message_id"] else {})
            | places.get(row["event_key"], {})
            for row in rows
        ]

    def _places(self) -> dict[uuid.UUID, dict[str, Any]]:
        """What the events that stand for others take over from these."""
        found = {}
        for _, _, linked in self._linked():
            told = [row for row in linked.told if row["journey_id"]]
            for row in linked.twins if told else ():
                first = min(told, key=lambda one: one["event_key"])
                found[row["event_key"]] = {name: first[name] for name in PLACE}
        return found

    def _linked(self) -> list[tuple[StreamKey, Twin, _Linked]]:
        """The events of each pair and value."""
        named: dict[StreamKey, list[tuple[str, str, str]]] = defaultdict(list)
        for (stream, _), twin in self.twins.items():
            named[stream].append((twin.stream, twin.property, twin.channel))
        found = []
        for stream, twins in named.items():
            twin = Twin(*max(twins))
            if replace(stream, stream=twin.stream) not in named:
                found += [(stream, twin, linked) for linked in self._linked_by(stream, twin)]
        return found

    def _linked_by(self, stream: StreamKey, twin: Twin) -> list[_Linked]:
        groups: dict[tuple[str, str], _Linked] = defaultdict(lambda: _Linked([], []))
        for row in self.winners().values():
            value = json.loads(row["properties"]).get(twin.property)
            if row["connection"] == stream.connection and row["channel"] == twin.channel and value:
                if row["stream"] == stream.stream:
                    groups[value, row["action"]].told.append(row)
                elif row["stream"] == twin.stream:
                    groups[value, row["action"]].twins.append(row)
        return list(groups.values())


def held_agreement(lake: Lake) -> Agreement:
    """`ops.agreement` as the model gives it."""
    rows = rows_of(
        warehouse_file(lake),
        "select occurred_on, connection, stream, twin_stream, in_both, only_in_stream, only_in_twin from ops.agreement",
    )
    return {row[:3]: row[3:] for row in rows}


def assert_twins_are_as_in_the_model(made: TwinLake) -> None:
    """Holds the writer's file against what plain Python says."""
    assert_is_as_in_the_model(made)
    linked = rows_of(
        warehouse_file(made.lake), "select event_key, counted_event_key, occurred_on from core.linked_events"
    )
    assert len({key for key, _, _ in linked}) == len(linked)
    assert {key: (counted, day) for key, counted, day in linked} == made.links()
    assert held_agreement(made.lake) == made.agreement()
    names = ("event_key", "message_id", *PLACE)
    counted = {tuple(row[name] for name in names) for row in made.counted() if not row["is_test"]}
    told = rows_of(warehouse_file(made.lake), f"select {', '.join(names)} from core.counted_events")
    assert (len(told), set(told)) == (len(counted), counted)
