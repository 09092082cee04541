"""Version 2 of the export as the contract proposes it, PROVISIONAL: states by the clock; chunks of people and events.

Not here: version 1, the file host and the calls (`simulator.py`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from journey_pipeline.model import iso
from journey_pipeline.sandbox.insider.account import attribute, profile_id
from journey_pipeline.sandbox.insider.envelope import RefusedError
from journey_pipeline.sandbox.insider.events import EventSource, UserEvent
from journey_pipeline.sandbox.insider.files import Row, columns_of, rows_of, write_file
from journey_pipeline.sandbox.insider.options import InsiderOptions
from journey_pipeline.sandbox.insider.orders import ExportOrder
from journey_pipeline.sandbox.insider.storage import Storage

WITHOUT_EVENTS = 1_000_000
"""A person whose attributes are exported, and who has no event."""
_PERSON = {"iid": "insider_id"}
_STATES = ("queued", "estimating", "running")


def internal_names(asked: dict[str, Any]) -> dict[str, Any]:
    """An order with its public names as version 1 has them; internal ones are refused, as sent."""
    events: dict[str, Any] = asked.get("events") or {}
    wanted = [dict(one) for one in events.get("wanted", ())]
    for one in wanted:
        one["params"] = [_internal(name) for name in one.get("params", ())]
    attributes = [_internal(name) for name in asked.get("attributes", ())]
    return {**asked, "attributes": attributes, "events": {**events, "wanted": wanted}}


def _internal(name: str) -> str:
    if name.startswith("c_"):
        raise RefusedError(400, f"unknown attribute selector: {name}")
    return f"c_{name.removeprefix('custom.')}" if name.startswith("custom.") else name


@dataclass
class Exports:
    """The exports of version 2, by their ids."""

    source: EventSource
    storage: Storage
    options: InsiderOptions
    _orders: dict[str, tuple[ExportOrder, datetime]] = field(default_factory=dict)
    _files: dict[str, list[list[str]]] = field(default_factory=dict)

    def take(self, order: ExportOrder, due_at: datetime) -> str:
        """Takes an order on; gives its id."""
        export_id = f"exp_{len(self._orders) + 1:08}"
        self._orders[export_id] = order, due_at
        return export_id

    def clear(self) -> None:
        """Forgets all."""
        self._orders.clear()
        self._files.clear()

    def status(self, export_id: str, origin: str, now: datetime) -> dict[str, Any]:
        """How far an export is, with its links once it is complete.

        Raises:
            RefusedError: 404 for an unknown id.
        """
        if export_id not in self._orders:
            raise RefusedError(404, "no such export: not found")
        order, due_at = self._orders[export_id]
        state = self._state(order, due_at, now)
        files = self._links(export_id, order, origin, now) if state == "completed" else [[], []]
        attribute_files, event_files = (
            [{"chunk": number, "url": url} for number, url in enumerate(urls, start=1)] for urls in files
        )
        return {
            "export_id": export_id,
            "status": state,
            "format": order.format,
            "attribute_files": attribute_files,
            "event_files": event_files,
            "expires_at": iso(now + timedelta(seconds=self.options.link_life_s)),
            "error": "the export is too large" if state == "failed" else None,
        }

    def _state(self, order: ExportOrder, due_at: datetime, now: datetime) -> str:
        if now < due_at:
            passed = (now - order.ordered_at) / max(due_at - order.ordered_at, timedelta(microseconds=1))
            return _STATES[min(int(passed * len(_STATES)), len(_STATES) - 1)]
        return "completed" if self.options.v2_stage == "by_clock" else self.options.v2_stage

    def _links(self, export_id: str, order: ExportOrder, origin: str, now: datetime) -> list[list[str]]:
        """Links to the chunks of people and of events, signed anew each time."""
        if export_id not in self._files:
            self._files[export_id] = [self._people(order), self._events(order)]
        return [[self.storage.sign(origin, path, now) for path in paths] for paths in self._files[export_id]]

    def _people(self, order: ExportOrder) -> list[str]:
        """Chunks and events do not align: here one person with events is missing, and one has none."""
        people = sorted({event.person_number for event in self._told(order)})[1:]
        rows = ([profile_id(one), *_attributes(order, one)] for one in [*people, WITHOUT_EVENTS])
        return list(self._chunks(order, ["insider_id", *map(_public, order.attributes)], rows))

    def _events(self, order: ExportOrder) -> list[str]:
        attributes = len(order.attributes)
        names = [_PERSON.get(name, _public(name.removeprefix("e_"))) for name in columns_of(order)[attributes:]]
        return list(self._chunks(order, names, (row[attributes:] for row in rows_of(order, self._told(order)))))

    def _told(self, order: ExportOrder) -> Iterator[UserEvent]:
        return self.source.events(order.window, order.shape, received_by=order.ordered_at)

    def _chunks(self, order: ExportOrder, columns: list[str], rows: Iterator[Row]) -> Iterator[str]:
        while some := list(itertools.islice(rows, self.options.v2_chunk_rows)):
            place = self.storage.place(order.format)
            write_file(order, iter(some), place, columns)
            yield self.storage.keep(place, order.ordered_at)


def _attributes(order: ExportOrder, number: int) -> Row:
    return [attribute(number, name, masked=order.shape.masked) or None for name in order.attributes]


def _public(name: str) -> str:
    return f"custom.{name.removeprefix('c_')}" if name.startswith("c_") else name
