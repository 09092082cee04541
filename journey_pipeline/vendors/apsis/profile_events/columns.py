"""From events of profiles to the columns that the SQL reads, and the JSON that keeps all of each.

Whole columns at a time where that saves a step an event: a day may have millions. Not here: where events stand in a
file (`file.py`), what columns mean (`events.sql`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from journey_pipeline.vendors.apsis.profile_events.file import Event, Scalar, with_own_stack

FIELDS = (
    "correlation_id",
    "source_event_time",
    "type_id",
    "created_at",
    "journey_id",
    "journey_name",
    "activity_id",
    "activity_name",
    "content",
)
"""Columns that an event gives by itself; `content` is the data of one without a correlation id, its only identity."""

KNOWN_MEMBERS = frozenset({"correlationId", "sourceEventTime", "typeId", "createdAt", "data"})
NO_OBJECT = "not a JSON object"
NO_TEXT = "not UTF-8"

# Milliseconds that the SQL takes for a time and a TIMESTAMPTZ shows again without loss: of the years 2000 (D1) to 2099.
_FIRST_MS, _END_MS = 946_684_800_000, 4_102_444_800_000
_MS_DIGITS = 15
_REFUSALS = (msgspec.DecodeError, ValueError, RecursionError)
_EMPTY = (None, "")


class _Properties(msgspec.Struct, omit_defaults=True, kw_only=True, gc=False):
    """What `properties` holds. `data` is written as it came, byte for byte; times only if no timestamp shows them."""

    section_id: str
    type_id: Scalar = None
    event_name: str | None = None
    correlation_id: Scalar = None
    source_event_time: Scalar = None
    created_at: Scalar = None
    data: msgspec.Raw


class _Data(msgspec.Struct, rename="camel", gc=False):
    """The members of `data` that name a journey and a step; the names are assumed."""

    automation_id: Scalar = None
    flow_id: Scalar = None
    journey_id: Scalar = None
    automation_name: Scalar = None
    flow_name: Scalar = None
    journey_name: Scalar = None
    activity_id: Scalar = None
    node_id: Scalar = None
    activity_name: Scalar = None
    node_name: Scalar = None


class RawEvent(NamedTuple):
    """An event read from its own text.

    Attributes:
        event: As far as it is as documented.
        others: Its other members, and those whose values are of no documented kind, as they stand.
        raw: Its text.
        fault: Why it is no event, if it is none.
    """

    event: Event
    others: Mapping[str, msgspec.Raw]
    raw: bytes
    fault: str | None = None


_data = msgspec.json.Decoder(_Data).decode
_documented = msgspec.json.Decoder(Scalar).decode
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode
_NO_DATA = _Data()


def event_columns(events: Sequence[Event]) -> dict[str, pa.Array[Any]]:
    """The columns of `FIELDS`."""
    data = [_named(event.data) for event in events]
    values: dict[str, list[Scalar]] = {
        "correlation_id": [event.correlation_id for event in events],
        "source_event_time": [event.source_event_time for event in events],
        "type_id": [event.type_id for event in events],
        "created_at": [event.created_at for event in events],
        "journey_id": [one.automation_id or one.flow_id or one.journey_id for one in data],
        "journey_name": [one.automation_name or one.flow_name or one.journey_name for one in data],
        "activity_id": [one.activity_id or one.node_id for one in data],
        "activity_name": [one.activity_name or one.node_name for one in data],
        "content": [bytes(event.data).decode() if event.correlation_id in _EMPTY else None for event in events],
    }
    return {name: _texts(column) for name, column in values.items()}


def event_properties(events: Sequence[Event], section_ids: Sequence[str], names: Sequence[str | None]) -> list[bytes]:
    """The properties of each, as JSON; `names` are those of their types, where known."""
    return [
        _encode(
            _Properties(
                section_id=section_id,
                type_id=event.type_id,
                event_name=name,
                correlation_id=event.correlation_id,
                source_event_time=_unless_shown(event.source_event_time),
                created_at=_unless_shown(event.created_at),
                data=event.data,
            )
        )
        for event, section_id, name in zip(events, section_ids, names, strict=True)
    ]


def with_others(properties: bytes, others: Mapping[str, msgspec.Raw]) -> bytes:
    """Properties with further members at their end."""
    return properties[:-1] + b"," + _encode(others)[1:] if others else properties


def read_event(raw: bytes) -> RawEvent:
    """Reads an event that may be anything."""
    try:
        raw.decode()
        members = with_own_stack(_members, raw)
    except UnicodeDecodeError:
        return RawEvent(Event(), {}, raw, NO_TEXT)
    except _REFUSALS:
        return RawEvent(Event(), {}, raw, NO_OBJECT)
    values = {name: _scalar(members[name]) for name in KNOWN_MEMBERS & members.keys() - {"data"}}
    event = Event(
        correlation_id=values.get("correlationId"),
        source_event_time=values.get("sourceEventTime"),
        type_id=values.get("typeId"),
        created_at=values.get("createdAt"),
        data=members.get("data", Event().data),
    )
    unread = {name for name, value in values.items() if value is None and bytes(members[name]) != b"null"}
    others = {name: members[name] for name in members if name in unread or name not in KNOWN_MEMBERS}
    return RawEvent(event, others, raw)


def _named(data: msgspec.Raw) -> _Data:
    try:
        return _data(data)
    except _REFUSALS:
        pass
    try:
        members = _members(data)
    except _REFUSALS:  # no object: an event may carry anything
        return _NO_DATA
    names = {field.encode_name: field.name for field in msgspec.structs.fields(_Data)}
    return _Data(**{name: _scalar(members[called]) for called, name in names.items() if called in members})


def _scalar(raw: msgspec.Raw) -> Scalar:
    """A value as a typed event would have it; other numbers and truth values as text; None for objects and arrays."""
    try:
        return cast("Scalar", _documented(raw))
    except msgspec.ValidationError:
        text = bytes(raw)
        return None if text.startswith((b"{", b"[")) else text.decode()


def _texts(values: list[Scalar]) -> pa.Array[Any]:
    """Values as text, empty ones as NULL. A column has mostly one kind of them, which Arrow then takes as a whole."""
    try:
        texts = pa.array(values, pa.string())
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        try:
            return pa.array(values, pa.int64()).cast(pa.string())
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
            texts = pa.array([value if value is None else str(value) for value in values], pa.string())
    return cast("pa.Array[Any]", pc.if_else(pc.equal(texts, pa.scalar("")), pa.scalar(None, pa.string()), texts))


def _unless_shown(time: Scalar) -> Scalar:
    """A time that no timestamp shows as it is."""
    ms = time
    if type(time) is str and len(time) <= _MS_DIGITS and time.isascii() and time.isdigit():
        ms = int(time)
    return None if type(ms) is int and _FIRST_MS <= ms < _END_MS else time
