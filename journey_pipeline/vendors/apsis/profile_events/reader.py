"""Reads landed profile exports: one record for each event, some thousands at a time, into what the SQL reads.

Not here: the file as a document (`file.py`), times, channels and actions (`events.sql`), attributes as rows of their
own (`vendors/apsis/attributes.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

import msgspec
import pyarrow as pa

from journey_pipeline.formats.records import Records
from journey_pipeline.vendors.apsis.definitions import Definition, Definitions
from journey_pipeline.vendors.apsis.orders import EMAIL_ATTRIBUTE
from journey_pipeline.vendors.apsis.profile_events.columns import (
    FIELDS,
    KNOWN_MEMBERS,
    RawEvent,
    event_columns,
    event_properties,
    read_event,
    with_others,
)
from journey_pipeline.vendors.apsis.profile_events.file import (
    LONGEST_PROFILE_BYTES,
    NO_PROFILE,
    Event,
    Faulty,
    Keyed,
    Scalar,
    profiles,
)

ANSWER = "definitions"  # under this name a landing keeps what the account had defined when its file came
COLUMNS = ("profile_key", "section_id", "email", "event_type", *FIELDS)
_RULES = 2  # raised when events are read another way, so that they are made anew
_RECORDS_AT_ONCE = 16_384
_REFUSALS = (msgspec.DecodeError, ValueError)


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
    """One pass over one file.

    Attributes:
        faults: Events that are no objects, and what stands in place of profiles.
        unknown: Names of unknown members of events.
        missing: `event_type`, if no event has a type that is defined.
        mapping: Nothing: the vendor documents which field is which.
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
