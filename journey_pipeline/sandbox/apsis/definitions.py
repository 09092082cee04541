"""The routes that tell what the account has defined: sections and what is in them, segments, e-mail activities.

Lists come whole, as `{"items": [...]}`; shapes are assumed. Not here: the things themselves (`account.py`,
`activities.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from starlette.responses import JSONResponse, Response

from journey_pipeline.model import iso
from journey_pipeline.sandbox.apsis.account import (
    ATTRIBUTES,
    EVENT_TYPES,
    SECTIONS,
    SEGMENTS,
    TAGS,
    TOPICS,
    Section,
)
from journey_pipeline.sandbox.apsis.activities import Automations, EmailActivity
from journey_pipeline.sandbox.apsis.envelope import RefusedError
from journey_pipeline.sandbox.apsis.events import ms
from journey_pipeline.sandbox.apsis.options import ApsisOptions
from journey_pipeline.sandbox.gate import Exchange

_CONSENT_LIST = "usercreated.consent-lists.all-1"


class Definitions:
    """What the account has defined, as it stands at the present."""

    def __init__(self, automations: Automations, options: ApsisOptions) -> None:
        self._automations, self._options = automations, options

    def sections(self, exchange: Exchange) -> Response:  # noqa: ARG002 - all handlers are alike
        """Answers the sections."""
        return _items(_section(section) for section in self._sections())

    def attributes(self, exchange: Exchange) -> Response:
        """Answers the attributes of a section, each with the id of its latest version."""
        section, at_ms = self._section(exchange), ms(exchange.now)
        return _items(
            {
                "discriminator": attribute.discriminator,
                "name": attribute.name_at(at_ms),
                "version_id": attribute.id(section, at_ms),
                "type": attribute.type,
                "description": f"The person's {attribute.name}",
            }
            for attribute in ATTRIBUTES
        )

    def tags(self, exchange: Exchange) -> Response:
        """Answers the tags of a section."""
        self._section(exchange)
        return _items(
            {"discriminator": tag.discriminator, "name": tag.name, "version_id": tag.id, "description": None}
            for tag in TAGS
        )

    def events(self, exchange: Exchange) -> Response:
        """Answers the event types of a section with their latest versions."""
        self._section(exchange)
        at_ms, most = ms(exchange.now), self._options.listed_versions
        return _items(
            {
                "discriminator": kind.discriminator,
                "name": kind.name,
                "description": "",
                "versions": [{"id": int(version), "schema": {"type": "object"}} for version in kind.ids(at_ms, most)],
            }
            for kind in EVENT_TYPES.values()
        )

    def consent_lists(self, exchange: Exchange) -> Response:
        """Answers the consent lists of a section."""
        self._section(exchange)
        return _items([{"discriminator": _CONSENT_LIST, "name": "All", "description": None}])

    def topics(self, exchange: Exchange) -> Response:
        """Answers the topics of a section."""
        self._section(exchange)
        return _items({"discriminator": topic, "name": name, "description": None} for topic, name in TOPICS)

    def segments(self, exchange: Exchange) -> Response:  # noqa: ARG002 - all handlers are alike
        """Answers the segments."""
        return _items({"discriminator": segment.discriminator, "name": segment.name} for segment in SEGMENTS)

    def activities(self, exchange: Exchange) -> Response:
        """Answers the e-mail activities of a section that the account still lists."""
        return _items(_activity(activity, exchange) for activity in self._activities(exchange))

    def activity(self, exchange: Exchange) -> Response:
        """Answers one e-mail activity."""
        wanted = exchange.request.path_params["activity"]
        for activity in self._activities(exchange):
            if activity.id == wanted:
                return JSONResponse(_activity(activity, exchange))
        raise RefusedError(404, "There is no such activity.")

    def _sections(self) -> tuple[Section, ...]:
        extra = range(self._options.extra_sections)
        return SECTIONS + tuple(
            Section(2 + number, str(2_000 + number), f"usercreated.sections.extra-e{number}", f"Extra {number}")
            for number in extra
        )

    def _section(self, exchange: Exchange) -> Section:
        wanted = exchange.request.path_params["section"]
        for section in self._sections():
            if section.discriminator == wanted:
                return section
        raise RefusedError(404, "There is no such section.")

    def _activities(self, exchange: Exchange) -> list[EmailActivity]:
        section = self._section(exchange)
        emails = self._automations.emails.values()
        return [activity for activity in emails if activity.section == section and activity.is_listed]


def _items(items: Iterable[dict[str, Any]]) -> Response:
    return JSONResponse({"items": list(items)})


def _section(section: Section) -> dict[str, Any]:
    return {"discriminator": section.discriminator, "name": section.name, "id": int(section.id), "description": None}


def _activity(activity: EmailActivity, exchange: Exchange) -> dict[str, Any]:
    return {
        "id": activity.id,
        "name": activity.name(ms(exchange.now)),
        "subject": activity.subject(""),
        "sender": activity.sender,
        "status": "sent",
        "is_split_test": activity.is_split,
        "created_at": iso(activity.version.modified_at),
    }
