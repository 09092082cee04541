"""What a perfect client has of a window: the events behind the files, each once, as plain records.

Not here: the files, which repeat some events and spell them as the options say (`profile_file.py`, `email_file.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from itertools import groupby
from typing import Any

from journey_pipeline.model import Window
from journey_pipeline.sandbox.apsis.account import ATTRIBUTES, EVENT_TYPES, SECTIONS, TAGS
from journey_pipeline.sandbox.apsis.email_reports import EmailReports
from journey_pipeline.sandbox.apsis.events import ms
from journey_pipeline.sandbox.apsis.orders import EmailOrder, ProfileOrder, SectionOrder
from journey_pipeline.sandbox.apsis.profile_exports import ProfileExports
from journey_pipeline.sandbox.apsis.profiles import FileEvent

_YEAR_2000_MS = 946_684_800_000
_FAR_AHEAD_MS = 2_524_608_000_000  # 2050-01-01T00:00Z
_MOST_VERSIONS = 500
_EMAIL_ID = "88"


def profile_events(exports: ProfileExports, window: Window, asked_at: datetime) -> Iterator[dict[str, Any]]:
    """The events of profiles: of all sections, all event types and all profiles.

    Each record is one event, in the order of the file:
    - `profile`: export key, decoded.
    - `section`, `type_id`: ids as text.
    - `discriminator`: of the event's type; None if no definition ever lists its version.
    - `correlation_id`: as the source says it, a number too; None if it is missing.
    - `email`: of the same profile in the same section at `asked_at`.
    - `source_ms`: `sourceEventTime` of the file.
    - `occurred_ms`: the same, or `created_ms` where it lies before the year 2000.
    - `created_ms`: when the vendor received it, the first time of those in the window. A client may as well
      keep a later one.
    - `data`: JSON as it stands in the file.
    - `copies`: how often the file has it. The same section, type and correlation id are one event; without a
      correlation id each is an event of its own.
    """
    types = tuple(EVENT_TYPES.values())
    order = ProfileOrder(tuple(SectionOrder(section, ATTRIBUTES, TAGS, types) for section in SECTIONS), window)
    for key, same in groupby(exports.profiles(order, asked_at)[0], lambda profile: profile.key):
        found: dict[object, dict[str, Any]] = {}
        for profile in same:
            for section in profile.sections:
                for event in section.events or ():
                    identity = (section.id, event.type_id, event.correlation_id) if event.correlation_id else object()
                    record = found.setdefault(identity, _profile_event(event) | {"section": section.id, "copies": 0})
                    record |= {"profile": json.loads(key), "email": section.attributes[_EMAIL_ID]}
                    record["copies"] += 1
        yield from found.values()


def email_events(reports: EmailReports, window: Window, asked_at: datetime) -> Iterator[dict[str, Any]]:
    """The e-mail events of all sections and all profiles.

    Each record is one event, section by section, in the order of the file. It has every column of the file as text, as
    in the file, and besides:
    - `section`: discriminator of the section.
    - `source_ms`: `event_time` in milliseconds.
    - `occurred_ms`: the same, or `created_ms` where it lies before the year 2000.
    - `created_ms`: `server_time`, the first of those in the window. A client may as well keep a later one.
    - `copies`: how often the file has it. The same correlation id is one event.
    """
    for section in SECTIONS:
        file = reports.file(EmailOrder(section, window), asked_at)
        # A repeat follows what it repeats.
        for _, same in groupby(file.records(), lambda record: record["correlation_id"]):
            first, *more = same
            times = _times(_milliseconds(first["event_time"]), int(first["server_time"]))
            yield first | times | {"section": section.discriminator, "copies": 1 + len(more)}


def _profile_event(event: FileEvent) -> dict[str, Any]:
    return {
        "discriminator": _listed_types().get(event.type_id),
        "type_id": event.type_id,
        "correlation_id": event.correlation_id,
        "data": event.data,
        **_times(event.stated_ms, event.created_ms),
    }


def _times(source_ms: int, created_ms: int) -> dict[str, int]:
    occurred_ms = source_ms if source_ms >= _YEAR_2000_MS else created_ms
    return {"source_ms": source_ms, "created_ms": created_ms, "occurred_ms": occurred_ms}


def _milliseconds(event_time: str) -> int:
    return int(event_time) if event_time.isdigit() else ms(datetime.fromisoformat(event_time))


@cache
def _listed_types() -> dict[str, str]:
    """Discriminators by every version id that is ever listed."""
    return {
        version: kind.discriminator
        for kind in EVENT_TYPES.values()
        for version in kind.ids(_FAR_AHEAD_MS, most=_MOST_VERSIONS)
    }
