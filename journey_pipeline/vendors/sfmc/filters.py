"""What a connection asks for: the filters pushed down to the vendor, and the columns that they make unnecessary.

Not here: the columns themselves (`journey_history.py`), the routes (`client.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from journey_pipeline.errors import ConfigError
from journey_pipeline.model import Window, iso

# The vendor compares statuses without case and answers them capitalized (observed), so a constant is written that way.
_ANSWERED_SPELLING = {"complete": "Complete", "failed": "Failed"}


@dataclass(frozen=True, slots=True)
class Filters:
    """Restrictions of the download, all of them joined by AND, the values of one by OR.

    Attributes:
        contact_keys: Contact keys, case-sensitive.
        activity_types: Types of steps, any case.
        definition_ids: Journey versions.
        statuses: Such as `Failed`, any case.
        definition_instance_ids: Single passages of a contact.
        activity_ids: Steps.
    """

    contact_keys: tuple[str, ...] = ()
    activity_types: tuple[str, ...] = ()
    definition_ids: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    definition_instance_ids: tuple[str, ...] = ()
    activity_ids: tuple[str, ...] = ()

    @classmethod
    def of(cls, given: Mapping[str, list[str]]) -> Filters:
        """Filters from a configuration's mapping.

        Raises:
            ConfigError: If a name is not a filter; says which there are.
        """
        known = [field.name for field in fields(cls)]
        if wrong := sorted(set(given) - set(known)):
            raise ConfigError(f"{', '.join(wrong)} is no filter of Salesforce; there are {', '.join(known)}")
        return cls(**{name: tuple(values) for name, values in given.items()})

    def body(self, window: Window) -> dict[str, Any]:
        """The body of an estimate or a download, as the vendor documents it."""
        body: dict[str, Any] = {"start": iso(window.start), "end": iso(window.end)}
        for name, values in self._given():
            head, *tail = name.split("_")
            body[head + "".join(word.capitalize() for word in tail)] = list(values)
        return body

    @property
    def constants(self) -> dict[str, str]:
        """Columns whose value the filters fix.

        A filter with one value fixes its own column. The names that go with an id are still downloaded: the request
        does not tell them, and a journey may be renamed.
        """
        column = {
            "contact_keys": "ContactKey",
            "activity_types": "ActivityType",
            "definition_ids": "DefinitionId",
            "statuses": "Status",
            "definition_instance_ids": "DefinitionInstanceId",
            "activity_ids": "ActivityId",
        }
        fixed = {column[name]: values[0] for name, values in self._given() if len(values) == 1}
        if status := fixed.get("Status"):
            fixed["Status"] = _ANSWERED_SPELLING.get(status.lower(), status)
        return fixed

    def _given(self) -> list[tuple[str, tuple[str, ...]]]:
        pairs = [(field.name, getattr(self, field.name)) for field in fields(self)]
        return [(name, values) for name, values in pairs if values]
