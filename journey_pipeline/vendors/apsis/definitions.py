"""An account's definitions: sections, and the attributes, tags and event types of each under their version ids.

Files name things by version ids, orders by discriminators; an event type has several versions over time (D1). Shapes
are assumed, so they are read tolerantly: what has no id is left out, and what no list has stays unknown. Not here:
asking for them (`client.py`), the dimensions that are made of the same pages (`lists/`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

import msgspec

from journey_pipeline.errors import ContractError

IN_SECTIONS = ("attributes", "tags", "events")
_IDS = ("version_id", "id")


class Page(NamedTuple):
    """One list of the vendor's.

    Attributes:
        kind: What is in it, such as `events`.
        section: Discriminator of its section; None of a list of the whole account.
    """

    kind: str
    section: str | None
    items: list[Any]

    @property
    def body(self) -> bytes:
        """The page as it lands: the list itself does not say what it is, so that is put before it."""
        return msgspec.json.encode({"kind": self.kind, "section": self.section, "items": self.items})


class Definition(NamedTuple):
    """An attribute, a tag or an event type under one of its version ids.

    Attributes:
        discriminator: How orders name it.
        type: Of an attribute's values.
    """

    discriminator: str
    name: str | None = None
    type: str | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """A section and what is in it.

    Attributes:
        discriminator: How orders name it.
        id: How files name it.
        attributes: By version id.
        tags: By version id.
        events: By version id.
    """

    discriminator: str
    id: str
    name: str | None = None
    attributes: Mapping[str, Definition] = field(default_factory=dict)
    tags: Mapping[str, Definition] = field(default_factory=dict)
    events: Mapping[str, Definition] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Definitions:
    """The account's sections, by the id that files name them by."""

    sections: Mapping[str, Section] = field(default_factory=dict)

    @classmethod
    def of_pages(cls, pages: Iterable[Page]) -> Self:
        """Definitions from the vendor's lists."""
        listed = {(page.kind, page.section): _objects(page.items) for page in pages}
        sections = []
        for item in listed.get(("sections", None), []):
            discriminator = str(item["discriminator"])
            within = {kind: dict(_versions(listed.get((kind, discriminator), []))) for kind in IN_SECTIONS}
            section_id = next(_ids(item), discriminator)
            sections.append(Section(discriminator, section_id, _text(item.get("name")), **within))
        return cls({section.id: section for section in sections})

    @classmethod
    def of_answer(cls, answer: Mapping[str, Any]) -> Self:
        """Definitions as a landing keeps them, see `as_answer`."""
        return cls(
            {
                section_id: Section(
                    kept["section"],
                    section_id,
                    kept.get("name"),
                    **{
                        kind: {key: Definition(**one) for key, one in kept.get(kind, {}).items()}
                        for kind in IN_SECTIONS
                    },
                )
                for section_id, kept in answer.items()
            }
        )

    @classmethod
    def of_answers(cls, answers: Iterable[Mapping[str, Any]]) -> Self:
        """Definitions as landings keep them, the newest first: what is no longer listed stays what it last was."""
        known: dict[str, Any] = {}
        for answer in answers:
            for section_id, kept in answer.items():
                newer = known.get(section_id, {})
                within = {kind: {**kept.get(kind, {}), **newer.get(kind, {})} for kind in IN_SECTIONS}
                known[section_id] = {**kept, **newer, **within}
        return cls.of_answer(known)

    def as_answer(self) -> dict[str, Any]:
        """The definitions as JSON, for the landing: enough to read its files later."""
        return {
            section.id: {
                "section": section.discriminator,
                "name": section.name,
                **{
                    kind: {
                        key: {name: value for name, value in one._asdict().items() if value is not None}
                        for key, one in getattr(section, kind).items()
                    }
                    for kind in IN_SECTIONS
                },
            }
            for section in self.sections.values()
        }


def items_of(answer: Any) -> list[Any]:
    """The list in an answer: `items`, or the only list there is, or the answer itself.

    Raises:
        ContractError: If there is no such list.
    """
    members = answer if isinstance(answer, dict) else {"items": answer}
    lists = [value for value in members.values() if isinstance(value, list)]
    found = members.get("items", lists[0] if len(lists) == 1 else None)
    if not isinstance(found, list):
        raise ContractError(
            f"the answer has no list of items: its fields are {', '.join(sorted(members)) or 'none'}. The vendor's "
            "answer has changed; please report it with these names."
        )
    return found


def discriminators(items: list[Any]) -> list[str]:
    """The discriminators of a list's items."""
    return [str(item["discriminator"]) for item in _objects(items)]


def _objects(items: list[Any]) -> list[dict[str, Any]]:
    return [item for item in items if isinstance(item, dict) and _text(item.get("discriminator"))]


def _versions(items: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, Definition]]:
    for item in items:
        definition = Definition(str(item["discriminator"]), _text(item.get("name")), _text(item.get("type")))
        versions = item.get("versions")
        listed = [one for one in versions if isinstance(one, dict)] if isinstance(versions, list) else []
        for one in (*listed, item):
            for version_id in _ids(one):
                yield version_id, definition


def _ids(item: Mapping[str, Any]) -> Iterator[str]:
    """The version id; what is called an id alone may be that of all versions, and counts where there is no other."""
    found = (item[name] for name in _IDS if isinstance(item.get(name), str | int))
    yield from (str(value) for value in list(found)[:1] if not isinstance(value, bool) and value != "")


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
