"""The file of an e-mail event export: CSV, one record an event, written slice of time by slice of time.

Not here: which events there are (`events.py`), and how it is sent (`generated.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from journey_pipeline.sandbox.apsis.activities import Automations
from journey_pipeline.sandbox.apsis.details import email_facts
from journey_pipeline.sandbox.apsis.events import EventSource, Received, Span, in_emails, instant
from journey_pipeline.sandbox.apsis.oddities import bulk_times
from journey_pipeline.sandbox.apsis.options import FileShape
from journey_pipeline.sandbox.apsis.orders import EmailOrder
from journey_pipeline.sandbox.apsis.reactions import Reaction
from journey_pipeline.sandbox.world.people import person
from journey_pipeline.sandbox.world.profiles import attributes, tags

COLUMNS: tuple[str, ...] = (
    "activity_id",
    "split_id",
    "activity_name",
    "split_activity_name",
    "sender",
    "subject",
    "address",
    "variation",
    "type",
    "correlation_id",
    "event_time",
    "server_time",
    "device",
    "location",
    "link_id",
    "link_url",
    "link_title",
    "bounce_code",
    "unsubscribe_topic",
    "abuse_section",
)
_RECORDS_A_CHUNK = 1_000
_BULK_PEOPLE = 1_009
_ODD_EVERY = 150  # one in so many has each of the odd subjects


class EmailFile:
    """The file of one export."""

    def __init__(
        self, source: EventSource, automations: Automations, *, order: EmailOrder, span: Span, shape: FileShape
    ) -> None:
        self._source, self._automations = source, automations
        self._order, self._span, self._shape = order, span, shape
        self._asked_at = instant(span.asked_ms)

    def chunks(self) -> Iterator[bytes]:
        """The file's bytes."""
        columns = list(COLUMNS[::-1] if self._shape.column_order == "reversed" else COLUMNS)
        columns += [_header(attribute.name, version_id) for attribute, version_id in self._order.attributes]
        columns += [_header(tag.name, tag.id) for tag in self._order.tags]
        columns += [self._shape.extra_column] if self._shape.extra_column else []
        lines = [",".join(map(quoted, columns))]
        for record in self.records():
            lines.append(",".join([quoted(record[column]) for column in columns]))
            if len(lines) >= _RECORDS_A_CHUNK:
                yield ("\n".join(lines) + "\n").encode()
                lines = []
        if lines:
            yield ("\n".join(lines) + "\n").encode()

    def records(self) -> Iterator[dict[str, str]]:
        """The records by column, repeats and all."""
        for one in self.received():
            yield self._record(one)
        for at in bulk_times(self._span, self._shape.bulk_emails):
            if self._is_wanted(at % _BULK_PEOPLE):
                yield self._made_up(at % _BULK_PEOPLE, at)

    def received(self) -> Iterator[Received]:
        """The events of the world behind the records."""
        for one in self._source.received(self._span):
            event = one.event
            if (
                in_emails(event, self._shape)
                and self._automations.emails[event.happening.activity.id].section is self._order.section
                and self._is_wanted(event.person_number)
            ):
                yield one

    def _is_wanted(self, number: int) -> bool:
        segments = self._order.segments
        return not segments or any(segment.has(number) for segment in segments)

    def _record(self, one: Received) -> dict[str, str]:
        event = one.event
        facts = email_facts(event, self._automations)
        activity = facts.activity
        link_id, link_url, link_title = facts.link
        return {
            "activity_id": activity.id,
            "split_id": activity.split_id(facts.variation),
            "activity_name": activity.name(event.source_ms),
            "split_activity_name": f"Group {facts.variation}" if facts.variation else "",
            "sender": activity.sender,
            "subject": self._odd_subject(event) or activity.subject(facts.variation),
            "address": person(event.person_number).email,
            "variation": facts.variation,
            "type": event.type.csv_type,
            "correlation_id": event.correlation_id,
            "event_time": self._event_time(one.stated_ms),
            "server_time": str(one.created_ms),
            "device": facts.device,
            "location": facts.location,
            "link_id": link_id,
            "link_url": link_url,
            "link_title": link_title,
            "bounce_code": facts.bounce_code,
            "unsubscribe_topic": facts.unsubscribe_topic,
            "abuse_section": facts.abuse_section,
            **self._decoration(event.person_number),
        }

    def _odd_subject(self, event: Reaction) -> str:
        place = int(event.share(20) * _ODD_EVERY)
        return self._shape.odd_subjects[place] if place < len(self._shape.odd_subjects) else ""

    def _made_up(self, number: int, at_ms: int) -> dict[str, str]:
        told = {
            "activity_id": "ea-bulk",
            "split_id": "ea-bulk",
            "activity_name": "Bulk",
            "sender": "Shop",
            "subject": "Bulk, every day",
            "address": f"bulk.{number}@example.org",
            "type": "SENT",
            "correlation_id": f"b-{at_ms}",
            "event_time": self._event_time(at_ms - 100),
            "server_time": str(at_ms),
        }
        return dict.fromkeys(COLUMNS, "") | told | self._decoration(number)

    def _event_time(self, at_ms: int) -> str:
        if self._shape.event_time == "milliseconds":
            return str(at_ms)
        return instant(at_ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def _decoration(self, number: int) -> dict[str, str]:
        """The columns that were asked for on top."""
        more = {self._shape.extra_column: "x"} if self._shape.extra_column else {}
        if not (self._order.attributes or self._order.tags):
            return more
        values, carried = attributes(number, self._asked_at), tags(number, self._asked_at)
        for attribute, version_id in self._order.attributes:
            more[_header(attribute.name, version_id)] = _text(values[attribute.field])
        for tag in self._order.tags:
            more[_header(tag.name, tag.id)] = "TAG" if tag.field in carried else ""
        return more


def quoted(text: str) -> str:
    """A cell of CSV: bare, or in quotes where it holds a comma, a quote or a line break."""
    if any(mark in text for mark in ',"\n\r'):
        return '"' + text.replace('"', '""') + '"'
    return text


def _header(name: str, version_id: str) -> str:
    return f"{name} (version_id: {version_id})"


def _text(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
