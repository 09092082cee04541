"""What an order asks for, checked as the vendor does: sections, attributes, tags, event types, window, segments.

Not here: the export that comes of it (`exports.py`), and its file (`profile_file.py`, `email_file.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from journey_pipeline.model import Window
from journey_pipeline.sandbox.apsis.account import (
    ATTRIBUTES,
    EVENT_TYPES,
    SECTIONS,
    SEGMENTS,
    TAGS,
    Attribute,
    EventType,
    Section,
    Segment,
    Tag,
    version_number,
)
from journey_pipeline.sandbox.apsis.envelope import RefusedError
from journey_pipeline.sandbox.apsis.events import ms

MOST_SECTIONS, MOST_ATTRIBUTES, MOST_TAGS = 25, 75, 25
_LONGEST = timedelta(days=92)  # three months, the longest of them
_DEFAULT_LENGTH = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class SectionOrder:
    """What a profile export tells of one section."""

    section: Section
    attributes: tuple[Attribute, ...]
    tags: tuple[Tag, ...]
    event_types: tuple[EventType, ...]


@dataclass(frozen=True, slots=True)
class ProfileOrder:
    """An order of profiles with their events.

    Attributes:
        sections: What of each; without any attribute or tag in all of them the file has no profiles.
        window: Of the events; None if none are asked for.
        segments: A profile must be in one of them; all profiles if empty.
    """

    sections: tuple[SectionOrder, ...]
    window: Window | None
    segments: tuple[Segment, ...] = ()

    @property
    def shows_profiles(self) -> bool:
        """Whether the file has profiles at all."""
        return any(section.attributes or section.tags for section in self.sections)


@dataclass(frozen=True, slots=True)
class EmailOrder:
    """An order of a section's e-mail events.

    Attributes:
        section: Whose.
        window: Of the events.
        attributes: Further columns, each with the version id it was asked for by.
        tags: Further columns.
        segments: A profile must be in one of them; all profiles if empty.
    """

    section: Section
    window: Window
    attributes: tuple[tuple[Attribute, str], ...] = ()
    tags: tuple[Tag, ...] = ()
    segments: tuple[Segment, ...] = ()


def read_profile_order(body: bytes) -> ProfileOrder:
    """The order of a profile export.

    Raises:
        RefusedError: 400 naming the field, 413 for too many sections.
    """
    asked = _object(body)
    listed = asked.get("sections")
    if not isinstance(listed, list) or not listed or not all(isinstance(item, dict) for item in listed):
        raise RefusedError(400, "sections: a list of objects is required.")
    if len(listed) > MOST_SECTIONS:
        raise RefusedError(413, f"sections: more than {MOST_SECTIONS} of them.")
    for field, most in (("attribute_discriminators", MOST_ATTRIBUTES), ("tag_discriminators", MOST_TAGS)):
        _within({text for item in listed for text in _texts(item, field)}, most, field)
    sections = tuple(_section_order(item) for item in listed)
    window = None if asked.get("events") is None else _window(asked["events"], "events.")
    if window is None and any(section.event_types for section in sections):
        raise RefusedError(400, "events.start_at is required where events are asked for.")
    return ProfileOrder(sections, window, _segments(asked))


def read_email_order(body: bytes, *, now: datetime) -> EmailOrder:
    """The order of an e-mail event export.

    Raises:
        RefusedError: 400 naming the field.
    """
    asked = _object(body)
    wanted, tags = _texts(asked, "additional_attribute_mappings"), _texts(asked, "additional_tag_mappings")
    _within(set(wanted), MOST_ATTRIBUTES, "additional_attribute_mappings")
    _within(set(tags), MOST_TAGS, "additional_tag_mappings")
    section = _known(SECTIONS, [_text(asked, "section_discriminator")], "section_discriminator")[0]
    by_id = {
        attribute.id(section, ms(now), back=back): attribute
        for attribute in ATTRIBUTES
        for back in range(version_number(ms(now)) + 1)
    }
    if unknown := set(wanted) - set(by_id):
        raise RefusedError(400, f"additional_attribute_mappings: {min(unknown)[:60]} is not known.")
    tags_by_id = {tag.id: tag for tag in TAGS}
    if unknown := set(tags) - set(tags_by_id):
        raise RefusedError(400, f"additional_tag_mappings: {min(unknown)[:60]} is not known.")
    return EmailOrder(
        section,
        _window(asked),
        tuple((by_id[version_id], version_id) for version_id in wanted),
        tuple(tags_by_id[version_id] for version_id in tags),
        _segments(asked),
    )


def window_of(body: bytes) -> Window | None:
    """The window that a call asks for, as fault rules look at it; None where it can't be told."""
    try:
        asked = json.loads(body)
        return _window(asked.get("events", asked))
    except (RefusedError, ValueError, AttributeError):
        return None  # any body at all may come in; the route itself refuses it


def _object(body: bytes) -> dict[str, Any]:
    try:
        asked = json.loads(body)
    except ValueError:
        raise RefusedError(400, "The body is not JSON.") from None
    if not isinstance(asked, dict):
        raise RefusedError(400, "The body is not a JSON object.")
    return asked


def _section_order(asked: Mapping[str, Any]) -> SectionOrder:
    types = tuple(EVENT_TYPES.values())
    return SectionOrder(
        _known(SECTIONS, [_text(asked, "section_discriminator")], "section_discriminator")[0],
        _known(ATTRIBUTES, _texts(asked, "attribute_discriminators"), "attribute_discriminators"),
        _known(TAGS, _texts(asked, "tag_discriminators"), "tag_discriminators"),
        _known(types, _texts(asked, "event_discriminators"), "event_discriminators"),
    )


class _Defined(Protocol):
    @property
    def discriminator(self) -> str: ...


_Thing = TypeVar("_Thing", bound=_Defined)


def _known(things: Sequence[_Thing], wanted: Sequence[str], field: str) -> tuple[_Thing, ...]:
    by_discriminator = {thing.discriminator: thing for thing in things}
    for discriminator in wanted:
        if discriminator not in by_discriminator:
            raise RefusedError(400, f"{field}: {discriminator[:100]} is not known.")
    return tuple(by_discriminator[discriminator] for discriminator in dict.fromkeys(wanted))


def _within(asked: set[str], most: int, field: str) -> None:
    if len(asked) > most:
        raise RefusedError(400, f"{field}: more than {most} of them.")


def _window(asked: Any, prefix: str = "") -> Window:
    if not isinstance(asked, dict):
        raise RefusedError(400, f"{prefix.rstrip('.')} must be an object.")
    start = _instant(asked.get("start_at"), f"{prefix}start_at")
    end = start + _DEFAULT_LENGTH if asked.get("end_at") is None else _instant(asked["end_at"], f"{prefix}end_at")
    if end <= start:
        raise RefusedError(400, f"{prefix}end_at must lie after start_at.")
    if end - start > _LONGEST:
        raise RefusedError(400, f"{prefix}end_at: the window is longer than three months.")
    return Window(start, end)


def _instant(text: object, field: str) -> datetime:
    """An instant in the UTC variant of RFC 3339."""
    try:
        at = datetime.fromisoformat(text) if isinstance(text, str) and "T" in text.upper() else None
    except ValueError:
        at = None
    if at is None or at.utcoffset() != timedelta(0):
        raise RefusedError(400, f"{field} is required, as a date-time of RFC 3339 in UTC.")
    return at


def _segments(asked: Mapping[str, Any]) -> tuple[Segment, ...]:
    wanted = asked.get("segment_filter")
    if wanted is None:
        return ()
    if not isinstance(wanted, dict) or not wanted.get("segment_discriminators"):
        raise RefusedError(400, "segment_filter.segment_discriminators is required.")
    return _known(SEGMENTS, _texts(wanted, "segment_discriminators"), "segment_filter.segment_discriminators")


def _text(asked: Mapping[str, Any], field: str) -> str:
    text = asked.get(field)
    if not isinstance(text, str) or not text:
        raise RefusedError(400, f"{field} is required.")
    return text


def _texts(asked: Mapping[str, Any], field: str) -> tuple[str, ...]:
    texts = asked.get(field)
    if texts is None:
        return ()
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise RefusedError(400, f"{field} must be a list of strings.")
    return tuple(texts)
