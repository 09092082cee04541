"""The profiles of an export, one after the other: the world's people, empty ones, hostile ones and made-up ones.

A span's events come in the order of time and go out by person, so people are dealt into heaps, each small enough to be
sorted in memory. Not here: which events there are (`events.py`), and the JSON (`profile_file.py`).
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from journey_pipeline.sandbox.apsis.account import EVENT_TYPES, SECTIONS
from journey_pipeline.sandbox.apsis.activities import Automations
from journey_pipeline.sandbox.apsis.details import data_text, section_id, type_id
from journey_pipeline.sandbox.apsis.events import EventSource, Received, Span, in_profiles, instant
from journey_pipeline.sandbox.apsis.oddities import BULK_DATA, HOSTILE_KEYS, bulk_times, hostile_events
from journey_pipeline.sandbox.apsis.options import FileShape
from journey_pipeline.sandbox.apsis.orders import ProfileOrder, SectionOrder
from journey_pipeline.sandbox.world import World
from journey_pipeline.sandbox.world.profiles import attributes, export_key, tags

HEAP_EVENTS = 100_000  # nearly; an event takes about a kilobyte there
_EMPTY_EVERY = 50  # for so many people there is one profile without sections
_MEMBER_EVERY = 4  # every fourth person is in the second section, and all people with events there
_OUTDATED_EVERY = 17  # such a person's score lies under a version id that is no longer listed
_TWICE_EVERY = 50
_FIRST_EMPTY = 1 << 40
_OUTDATED = 1_000  # versions back: the first one
_ODD_TYPE = EVENT_TYPES["page-viewed"]


class FileEvent(NamedTuple):
    """An event as the file has it.

    Attributes:
        created_ms: When the vendor received it.
        stated_ms: When it happened, as its source says.
        type_id: Version id of its type.
        correlation_id: What the source calls it; may be missing, empty or a number.
        data: JSON.
    """

    created_ms: int
    stated_ms: int
    type_id: str
    correlation_id: str | int | None
    data: str


@dataclass(frozen=True, slots=True)
class ProfileSection:
    """What a profile has in one section.

    Attributes:
        id: Of the section.
        attributes: Values by version id; those of tags are None.
        events: None where none were asked for.
        stale: Other values, which come first under the same ids; for files with duplicate keys.
    """

    id: str
    attributes: Mapping[str, Any]
    events: Iterable[FileEvent] | None
    stale: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile of the file; `key` is JSON text, quotes and all."""

    key: str
    sections: tuple[ProfileSection, ...] = ()


class Profiles:
    """The profiles of one export; each pass gives the same.

    Args:
        span: Of the events; None if none were asked for.
        asked_ms: When it was asked for; attributes are those of then.
        shape: How odd the file is.
    """

    def __init__(
        self,
        world: World,
        source: EventSource,
        automations: Automations,
        *,
        order: ProfileOrder,
        span: Span | None,
        asked_ms: int,
        shape: FileShape,
    ) -> None:
        self._world, self._source, self._automations = world, source, automations
        self._order, self._span, self._shape = order, span, shape
        self._asked_ms, self._asked_at = asked_ms, instant(asked_ms)
        self._known_ids: dict[tuple[str, int], dict[str, str]] = {}

    def __iter__(self) -> Iterator[Profile]:
        """The profiles, in an order that depends on nothing but the order."""
        if not self._order.shows_profiles:
            return
        buckets = self._buckets()
        for bucket in range(buckets):
            events = self._events(buckets, bucket)
            for number in range(bucket, self._world.contacts, buckets):
                yield from self._person(number, events.get(number, {}))
        for number in range(self._world.contacts, self._world.contacts + self._shape.bulk_profiles):
            if self._is_wanted(number):
                yield self._made_up(number)
        if self._order.segments:
            return
        if self._shape.hostile:
            yield from self._hostile()
        for number in range(self._world.contacts // _EMPTY_EVERY + 1):
            yield Profile(json.dumps(export_key(_FIRST_EMPTY + number)))

    def event_counts(self) -> Iterator[int]:
        """How many events each section of each profile has, repeats and all."""
        for profile in self:
            for section in profile.sections:
                yield sum(1 for _ in section.events or ())

    def _buckets(self) -> int:
        if self._span is None:
            return 1
        hours = (self._span.end_ms - self._span.start_ms) / 3_600_000
        return 1 + int(hours * self._world.rows_per_hour * 1.5 / HEAP_EVENTS)

    def _events(self, buckets: int, bucket: int) -> Mapping[int, Mapping[str, list[FileEvent]]]:
        """The events of the people in a heap, by person and section, each list in the order they came."""
        wanted = {
            (section.section.id, kind.discriminator) for section in self._order.sections for kind in section.event_types
        }
        found: dict[int, dict[str, list[FileEvent]]] = defaultdict(lambda: defaultdict(list))
        if self._span is None or not wanted:
            return found
        for one in self._source.received(self._span, buckets=buckets, bucket=bucket):
            section = section_id(one.event)
            if (section, one.event.type.discriminator) in wanted and in_profiles(one.event, self._shape):
                found[one.event.person_number][section].append(self._file_event(one))
        for sections in found.values():
            for events in sections.values():
                events.sort()
        return found

    def _file_event(self, one: Received) -> FileEvent:
        event = one.event
        data = data_text(event, self._automations)
        return FileEvent(one.created_ms, one.stated_ms, type_id(event), event.correlation_id, data)

    def _person(self, number: int, events: Mapping[str, list[FileEvent]]) -> Iterator[Profile]:
        if not self._is_wanted(number):
            return
        key = json.dumps(export_key(number))
        is_twice = self._shape.duplicate_keys and number % _TWICE_EVERY == 0
        if is_twice:
            first = {section: found[:1] for section, found in events.items()}
            yield Profile(key, tuple(self._sections(number, first, stale=True)))
        yield Profile(key, tuple(self._sections(number, events, twice=is_twice)))

    def _sections(
        self, number: int, events: Mapping[str, list[FileEvent]], *, stale: bool = False, twice: bool = False
    ) -> Iterator[ProfileSection]:
        for ordered in self._order.sections:
            section = ordered.section
            if section is SECTIONS[0] or number % _MEMBER_EVERY == 0 or section.id in events:
                held = self._attributes(number, ordered, stale=stale)
                found = events.get(section.id, []) if ordered.event_types else None
                before = self._attributes(number, ordered, stale=True) if twice else {}
                yield ProfileSection(section.id, held, found, before)

    def _attributes(self, number: int, ordered: SectionOrder, *, stale: bool = False) -> dict[str, Any]:
        ids = self._ids(ordered, _OUTDATED if number % _OUTDATED_EVERY == 0 else 0)
        values = attributes(number, self._asked_at, ids.values())
        held: dict[str, Any] = {version_id: "stale" if stale else values[field] for version_id, field in ids.items()}
        if ordered.tags:
            carried = tags(number, self._asked_at)
            held |= {tag.id: None for tag in ordered.tags if tag.field in carried}
        return held

    def _ids(self, ordered: SectionOrder, back: int) -> dict[str, str]:
        """The fields by the version ids of the attributes that are asked for; the same for all people."""
        ids = self._known_ids.get((ordered.section.id, back))
        if ids is None:
            section = ordered.section
            ids = {one.id(section, self._asked_ms, back=back): one.field for one in ordered.attributes}
            self._known_ids[section.id, back] = ids
        return ids

    def _made_up(self, number: int) -> Profile:
        """A profile that is as large as the shape says; its events are made as they are read."""
        per_day = self._shape.bulk_events

        def events(span: Span) -> Iterator[FileEvent]:
            kind = _ODD_TYPE.ids(span.start_ms)[0]
            for at in bulk_times(span, per_day):
                yield FileEvent(at, at - 100, kind, f"b-{number}-{at}", BULK_DATA)

        return self._odd(json.dumps(export_key(number)), number, events)

    def _hostile(self) -> Iterator[Profile]:
        def events(span: Span, place: int) -> Iterator[FileEvent]:
            for odd in hostile_events(place, span):
                kind = _ODD_TYPE.ids(odd.created_ms)[0] if odd.is_listed else _ODD_TYPE.unlisted_id(odd.created_ms)
                if span.has(odd.created_ms):
                    yield FileEvent(odd.created_ms, odd.stated_ms, kind, odd.correlation_id, odd.data)

        for place, key in enumerate(HOSTILE_KEYS):
            yield self._odd(key, place, partial(events, place=place))

    def _odd(self, key: str, number: int, events: Callable[[Span], Iterator[FileEvent]]) -> Profile:
        """A profile of the first section whose events are page views."""
        ordered = next((one for one in self._order.sections if one.section is SECTIONS[0]), None)
        if ordered is None:
            return Profile(key)
        found: Iterable[FileEvent] | None = () if ordered.event_types else None
        if self._span is not None and _ODD_TYPE in ordered.event_types:
            found = events(self._span)
        return Profile(key, (ProfileSection(ordered.section.id, self._attributes(number, ordered), found),))

    def _is_wanted(self, number: int) -> bool:
        segments = self._order.segments
        return not segments or any(segment.has(number) for segment in segments)
