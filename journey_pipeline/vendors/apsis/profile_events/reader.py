"""Reads landed profile exports: one record for each event, some thousands at a time, into what the SQL reads.

Not here: the file as a document (`file.py`), times, channels and actions (`events.sql`), attributes as rows of their
own (`vendors/apsis/attributes.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import msgspec

from journey_pipeline.formats.records import Records
from journey_pipeline.vendors.apsis.definitions import Definition, Definitions
from journey_pipeline.vendors.apsis.orders import EMAIL_ATTRIBUTE
from journey_pipeline.vendors.apsis.profile_events.file import (
    LONGEST_PROFILE_BYTES,
    NO_PROFILE,
    Event,
    Faulty,
    Keyed,
    Scalar,
    profiles,
    with_own_stack,
)

if TYPE_CHECKING:
    import pyarrow as pa

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
    """The members of `properties`. `data` is written as it came; times only if no timestamp shows them."""

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
        fault: Why it is no event, if it is none.
    """

    event: Event
    others: Mapping[str, msgspec.Raw]
    raw: bytes
    fault: str | None = None


_data = msgspec.json.Decoder(_Data).decode
_documented = msgspec.json.Decoder(Scalar).decode
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
    import pyarrow as pa  # noqa: PLC0415 - as above
    import pyarrow.compute as pc  # noqa: PLC0415

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


ANSWER = "definitions"  # under this name a landing keeps what the account had defined when its file came
COLUMNS = ("profile_key", "section_id", "email", "event_type", *FIELDS)
_RULES = 2  # raised when events are read another way, so that they are made anew
_RECORDS_AT_ONCE = 16_384


class _Text(msgspec.Struct, gc=False):
    value: str | None = None


_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_text = msgspec.json.Decoder(_Text).decode


class _Whose(NamedTuple):
    """The common values of all events of a profile in a section."""

    profile_key: str | None = None
    section_id: str = ""
    email: str | None = None


@dataclass(slots=True)
class _Batch:
    """Records on their way into columns: a value each in every list; raw text and faults only where they are wanted."""

    numbers: list[int] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    types: list[Definition | None] = field(default_factory=list)
    profile_keys: list[str | None] = field(default_factory=list)
    section_ids: list[str] = field(default_factory=list)
    emails: list[str | None] = field(default_factory=list)
    raws: list[bytes] = field(default_factory=list)
    faults: list[str | None] = field(default_factory=list)
    others: dict[int, Mapping[str, msgspec.Raw]] = field(default_factory=dict)

    def add(self, first: int, events: Sequence[Event], types: Mapping[Scalar, Definition], whose: _Whose) -> None:
        """Adds events that follow each other in the file, from a number on."""
        count = len(events)
        self.numbers += range(first, first + count)
        self.events += events
        self.types += [types.get(event.type_id) for event in events]
        self.profile_keys += [whose.profile_key] * count
        self.section_ids += [whose.section_id] * count
        self.emails += [whose.email] * count

    def records(self) -> Records:
        """The records as columns."""
        import pyarrow as pa  # noqa: PLC0415 - a stream is declared with its reader, and few commands read

        names = [one.name if one else None for one in self.types]
        properties = event_properties(self.events, self.section_ids, names)
        for place, others in self.others.items():
            properties[place] = with_others(properties[place], others)
        columns = {
            "profile_key": pa.array(self.profile_keys, pa.string()),
            "section_id": pa.array([section_id or None for section_id in self.section_ids], pa.string()),
            "email": pa.array(self.emails, pa.string()),
            "event_type": pa.array([one.discriminator if one else None for one in self.types], pa.string()),
            **event_columns(self.events),
        }
        return Records(
            numbers=pa.array(self.numbers, pa.int64()),
            columns=columns,
            properties=pa.array(properties, pa.binary()).cast(pa.string()),
            raw=self.raws,
            faults=self.faults,
        )


class ProfileEventReader:
    """Reads the profile exports of one landing.

    Args:
        definitions: What the account had defined when its files came; without them types are unknown.
        longest_bytes: The most bytes that are held of one profile.
    """

    version = str(_RULES)

    def __init__(self, definitions: Definitions | None = None, *, longest_bytes: int = LONGEST_PROFILE_BYTES) -> None:
        self._definitions = definitions or Definitions()
        self._longest_bytes = longest_bytes

    def informed(self, answers: Sequence[Mapping[str, Any]]) -> ProfileEventReader:
        """The reader of a landing that keeps these answers of the vendor's, the newest first."""
        definitions = Definitions.of_answers(one.get(ANSWER, {}) for one in answers)
        return ProfileEventReader(definitions, longest_bytes=self._longest_bytes)

    def read(self, chunks: Iterable[bytes], *, with_raw: bool) -> ProfileEventReading:
        """Reads a file; as `formats.records.RecordReader` says."""
        found = profiles(chunks, as_raw=with_raw, longest_bytes=self._longest_bytes)
        return ProfileEventReading(self._definitions, found, with_raw=with_raw)


class ProfileEventReading:
    """One pass over one file. The vendor documents which field is which, so `mapping` is empty.

    Attributes:
        faults: Events that are no objects, and things in place of profiles.
        missing: `event_type`, if no event has a type that is defined.
    """

    def __init__(self, definitions: Definitions, found: Iterable[list[Keyed] | Faulty], *, with_raw: bool) -> None:
        self.faults = 0
        self.unknown: tuple[str, ...] = ()
        self.missing: tuple[str, ...] = ()
        self.mapping: Mapping[str, str] = {}
        self._found = found
        self._with_raw = with_raw
        self._number = 0
        self._is_typed = False
        self._types: dict[str, dict[Scalar, Definition]] = {
            section_id: {key: one for type_id, one in section.events.items() for key in _keys(type_id)}
            for section_id, section in definitions.sections.items()
        }
        self._emails = {
            section_id: [key for key, one in section.attributes.items() if one.discriminator == EMAIL_ATTRIBUTE]
            for section_id, section in definitions.sections.items()
        }

    def __iter__(self) -> Iterator[Records]:
        batch = _Batch()
        for whose, events in self._runs():
            # An array of an odd length would make the batch as large as itself.
            for start in range(0, len(events), _RECORDS_AT_ONCE):
                self._take(batch, whose, events[start : start + _RECORDS_AT_ONCE])
                if len(batch.numbers) >= _RECORDS_AT_ONCE:
                    self._is_typed |= any(batch.types)
                    yield batch.records()
                    batch = _Batch()
        if batch.numbers:
            self._is_typed |= any(batch.types)
            yield batch.records()
        if self._number and not self._is_typed:
            self.missing = ("event_type",)

    def _runs(self) -> Iterator[tuple[_Whose, Sequence[Event | msgspec.Raw | RawEvent]]]:
        """The events, those of a profile and section at a time; what stands in place of profiles is one of its own."""
        for found in self._found:
            if isinstance(found, Faulty):
                yield _Whose(), [_faulty(found.raw, found.fault)]
                continue
            for key, profile, raw in found:
                if profile is None:
                    yield _Whose(key), [_faulty(raw, NO_PROFILE)]
                    continue
                for section_id, section in (profile.sections or {}).items():
                    if section.events:
                        yield _Whose(key, section_id, self._email(section_id, section.attributes)), section.events

    def _take(self, batch: _Batch, whose: _Whose, events: Sequence[Event | msgspec.Raw | RawEvent]) -> None:
        types = self._types.get(whose.section_id, {})
        if isinstance(events[0], Event):
            batch.add(self._number + 1, cast("Sequence[Event]", events), types, whose)
            self._number += len(events)
            return
        for event in events:
            self._number += 1
            read = event if isinstance(event, RawEvent) else read_event(bytes(cast("msgspec.Raw", event)))
            self.faults += read.fault is not None
            if read.fault is not None and not self._with_raw:
                continue
            if read.others:
                batch.others[len(batch.events)] = read.others
                self.unknown = tuple(sorted({*self.unknown, *(read.others.keys() - KNOWN_MEMBERS)}))
            batch.add(self._number, [read.event], types, whose)
            if self._with_raw:
                batch.raws.append(read.raw)
                batch.faults.append(read.fault)

    def _email(self, section_id: str, attributes: msgspec.Raw) -> str | None:
        """The address of the same section, where it was asked for."""
        for attribute_id in self._emails.get(section_id, ()):
            try:
                held = _members(attributes).get(attribute_id)
                if held is not None and (email := _text(held).value):
                    return email
            except _REFUSALS:  # of another shape, or not UTF-8: it stays in the landing
                continue
        return None


def _keys(type_id: str) -> tuple[Scalar, ...]:
    """A version id as files may write it: as text, or as a number."""
    return (type_id, int(type_id)) if type_id.isascii() and type_id.isdigit() else (type_id,)


def _faulty(raw: bytes, fault: str) -> RawEvent:
    return RawEvent(Event(), {}, raw, fault)
