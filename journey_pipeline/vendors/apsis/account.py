"""One account as both streams of it know it: its client, what it has defined, what the connection asks for.

The definitions are asked for when first needed and kept for as long as this lives, which is one piece of work. Not
here: whether an account can be used (`doctor.py`), the orders' bodies (`orders.py`), the routes (`client.py`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator

from journey_pipeline.errors import ConfigError
from journey_pipeline.vendors.apsis.client import ApsisClient
from journey_pipeline.vendors.apsis.definitions import Definition, Definitions, Section
from journey_pipeline.vendors.apsis.orders import (
    EMAIL_ATTRIBUTE,
    Names,
    SectionOrder,
    Selection,
)


class Account:
    """An account and what a connection asks of it. Fit for threads."""

    def __init__(self, client: ApsisClient, selection: Selection | None = None, names: Names | None = None) -> None:
        self.client = client
        self.selection = selection or Selection()
        self.names = names or Names()
        self._lock = threading.Lock()
        self._definitions: Definitions | None = None

    def definitions(self, *, again: bool = False) -> Definitions:
        """The account's definitions; `again`: also if known, after a file came that may name newer versions."""
        with self._lock:
            if again or self._definitions is None:
                self._definitions = Definitions.of_pages(self.client.definition_pages())
            return self._definitions

    def profile_sections(self) -> tuple[SectionOrder, ...]:
        """The request of a profile export for each section: the selected fields that the section has.

        Raises:
            ConfigError: If something selected is in none of the sections, or a section has nothing that is selected.
        """
        wanted = self.selection
        orders = tuple(
            SectionOrder(
                section.discriminator,
                _selected(wanted.attributes, section.attributes.values()),
                _selected(wanted.tags, section.tags.values()),
                _selected(wanted.event_types, section.events.values(), or_all=True),
            )
            for section in self._sections()
        )
        self._check("attributes", wanted.attributes, [name for order in orders for name in order.attributes])
        self._check("tags", wanted.tags, [name for order in orders for name in order.tags])
        self._check("event_types", wanted.event_types, [name for order in orders for name in order.event_types])
        return orders

    def email_sections(self) -> tuple[SectionOrder, ...]:
        """The request of an e-mail export for each section, without the address, which each file has.

        E-mail orders name attributes and tags by version id (documented: D2), of which the latest listed one is taken.
        """
        wanted = self.selection
        return tuple(
            SectionOrder(
                section.discriminator,
                tuple(_version_ids(wanted.attributes, section.attributes.items())),
                tuple(_version_ids(wanted.tags, section.tags.items())),
            )
            for section in self._sections()
        )

    def _sections(self) -> list[Section]:
        sections = list(self.definitions().sections.values())
        chosen = self.selection.sections
        self._check("sections", chosen, [section.discriminator for section in sections])
        if not sections:
            raise ConfigError(f"the account of {self.client.connection} lists no section, so nothing can be ordered")
        return [section for section in sections if not chosen or section.discriminator in chosen]

    def _check(self, what: str, wanted: tuple[str, ...], found: list[str]) -> None:
        if missing := sorted(set(wanted) - set(found)):
            raise ConfigError(
                f"{what} of connection {self.client.connection}: the account has no {', '.join(missing)}. Correct it "
                "in defs.yaml."
            )


def _selected(wanted: tuple[str, ...], defined: Iterable[Definition], *, or_all: bool = False) -> tuple[str, ...]:
    there = dict.fromkeys(one.discriminator for one in defined)
    return tuple(there) if or_all and not wanted else tuple(name for name in wanted if name in there)


def _version_ids(wanted: tuple[str, ...], defined: Iterable[tuple[str, Definition]]) -> Iterator[str]:
    latest = {one.discriminator: version_id for version_id, one in defined}
    return (latest[name] for name in wanted if name in latest and name != EMAIL_ATTRIBUTE)
