"""Orders of APSIS One: what a connection asks of an account, requests, answers, limits, and how a large one is split.

All unpublished names are here. Not here: the routes (`client.py`), whether an account can be used (`doctor.py`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any, Self

from journey_pipeline.errors import ConfigError, ContractError, TransientVendorError
from journey_pipeline.model import Granularity, StreamKey, Window, iso
from journey_pipeline.recipe import Recipe
from journey_pipeline.vendors.apsis.client import ApsisClient
from journey_pipeline.vendors.apsis.definitions import Definition, Definitions, Section
from journey_pipeline.vendors.source import Plan, Reach, Request, Stream, Ticket

MOST_ATTRIBUTES, MOST_TAGS = 75, 25  # documented: D1, D2
FIRST_GENERATION, SECOND_GENERATION = 1, 2
_WHOLE_ADDRESS = ("http://", "https://")
EMAIL_ATTRIBUTE = "com.apsis1.attributes.email"


@dataclass(frozen=True, slots=True)
class Names:
    """The vendor's names in bodies and answers.

    Documented are `start_at`, `end_at`, `segment_filter`, the two mappings (D1, D2), the report's id (D2) and both
    addresses (D4); all others are assumed.

    Attributes:
        sections: List of sections of a profile export.
        section: A section, in that list and in an e-mail order.
        attributes: Attributes of a section, by discriminator.
        tags: Tags of a section, by discriminator.
        event_types: Event types of a section, by discriminator.
        events: Object with the times of a profile export's events.
        segment_filter: Object with the segments.
        email_attributes: Attributes of an e-mail export, by version id.
        email_tags: Its tags, by version id.
        first_address: In the answer: where to poll, by the rules of the first generation.
        second_address: The same, by those of the second.
    """

    sections: str = "sections"
    section: str = "section_discriminator"
    attributes: str = "attribute_discriminators"
    tags: str = "tag_discriminators"
    event_types: str = "event_discriminators"
    events: str = "events"
    start_at: str = "start_at"
    end_at: str = "end_at"
    segment_filter: str = "segment_filter"
    segments: str = "segment_discriminators"
    email_attributes: str = "additional_attribute_mappings"
    email_tags: str = "additional_tag_mappings"
    first_address: str = "file_download_url"
    second_address: str = "file_download_url_v2"
    export_id: str = "export_id"
    report_id: str = "report_id"

    @classmethod
    def of(cls, given: Mapping[str, str]) -> Self:
        """Names of which a configuration gives some.

        Raises:
            ConfigError: If there is no such name; says which there are.
        """
        known = [one.name for one in fields(cls)]
        if wrong := sorted(set(given) - set(known)):
            raise ConfigError(f"names: {', '.join(wrong)} is no name of APSIS One's; there are {', '.join(known)}")
        return cls(**given)


@dataclass(frozen=True, slots=True)
class Selection:
    """The selection of a connection. Empty means all definitions, except for attributes and tags.

    Attributes:
        attributes: Discriminators; without any attribute or tag profiles do not show up at all (documented: D1).
        segments: Discriminators; only profiles in one of them, all profiles if empty.

    Raises:
        ConfigError: If there are more attributes or tags than the vendor takes, or neither.
    """

    sections: tuple[str, ...] = ()
    attributes: tuple[str, ...] = (EMAIL_ATTRIBUTE,)
    tags: tuple[str, ...] = ()
    event_types: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not (self.attributes or self.tags):
            raise ConfigError(
                "attributes and tags are both empty: APSIS One leaves profiles out of an export that asks for neither. "
                f"Name at least one, such as {EMAIL_ATTRIBUTE}."
            )
        for what, named, most in (("attributes", self.attributes, MOST_ATTRIBUTES), ("tags", self.tags, MOST_TAGS)):
            if len(named) > most:
                raise ConfigError(f"{what}: {len(named)} are named, and an export of APSIS One takes {most} at most")


@dataclass(frozen=True, slots=True)
class SectionOrder:
    """The request for one section.

    Attributes:
        attributes: Discriminators; version ids in an order of e-mail events.
        event_types: Discriminators; none in an order of e-mail events, which has them all.
    """

    section: str
    attributes: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    event_types: tuple[str, ...] = field(default=())

    def as_json(self) -> dict[str, Any]:
        """The JSON of a request, without empty fields."""
        lists = {"attributes": self.attributes, "tags": self.tags, "event_types": self.event_types}
        return {"section": self.section, **{name: list(values) for name, values in lists.items() if values}}


class Account:
    """An account and what a connection asks of it. Fit for threads.

    What it has defined is asked for when first needed and kept for as long as this lives, which is one piece of work.
    """

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


def request_of(sections: tuple[SectionOrder, ...], segments: tuple[str, ...]) -> Request:
    """A request in the project's words."""
    request: dict[str, Any] = {"sections": [section.as_json() for section in sections]}
    return {**request, "segments": list(segments)} if segments else request


def profile_body(plan: Plan, names: Names) -> dict[str, Any]:
    """The body of an order of profile events. `end_at` is always there: without it a week is taken (documented: D1)."""
    terms = {"attributes": names.attributes, "tags": names.tags, "event_types": names.event_types}
    sections = [_section_body(asked, names, terms) for asked in plan.request["sections"]]
    return {names.sections: sections, names.events: _times(plan, names), **_segments(plan, names)}


def email_body(plan: Plan, names: Names) -> dict[str, Any]:
    """The body of an order of e-mail events of the request's one section."""
    (asked,) = plan.request["sections"]
    terms = {"attributes": names.email_attributes, "tags": names.email_tags}
    return {**_section_body(asked, names, terms), **_times(plan, names), **_segments(plan, names)}


def read_profile_order(answer: Any, *, status: int, location: str | None, names: Names) -> Ticket:
    """Where a profile export is polled: the second generation's address, else the first one's, else the only one.

    Raises:
        ContractError: If body and header `Location` name no address.
    """
    texts = {name: value for name, value in _members(answer).items() if isinstance(value, str)}
    whole = [value for value in texts.values() if value.startswith(_WHOLE_ADDRESS)]
    named = {name: value for name, value in texts.items() if is_address(value)}
    first = named.get(names.first_address) or (whole[0] if len(whole) == 1 else None) or location
    second = named.get(names.second_address)
    if not (first or second):
        raise ContractError(
            f"the answer to the order names no address to poll: its fields are {told_fields(answer)}. Set `names` in "
            "defs.yaml to the field that holds it, such as `first_address`."
        )
    generation = SECOND_GENERATION if second else FIRST_GENERATION
    export_id = texts.get(names.export_id)
    return Ticket(export_id=export_id, poll_address=second or first, generation=generation, status=status)


def is_address(value: object) -> bool:
    """Whether a value can be asked for: a whole address, or a path on the account's host."""
    return isinstance(value, str) and value.startswith((*_WHOLE_ADDRESS, "/"))


def read_email_order(answer: Any, *, status: int, names: Names) -> Ticket:
    """The id of an e-mail export.

    Raises:
        ContractError: If there is none.
    """
    report_id = _members(answer).get(names.report_id)
    if not isinstance(report_id, str | int) or isinstance(report_id, bool) or report_id == "":
        raise ContractError(
            f"the answer to the order has no {names.report_id}: its fields are {told_fields(answer)}. Set `names` in "
            "defs.yaml to the field that holds the report's id, as `report_id`."
        )
    return Ticket(export_id=str(report_id), status=status)


def told_fields(answer: Any) -> str:
    """The names of an answer's fields, for people."""
    return ", ".join(sorted(answer)) if isinstance(answer, dict) and answer else f"none (a {type(answer).__name__})"


def _members(answer: Any) -> Mapping[str, Any]:
    return answer if isinstance(answer, dict) else {}


def _section_body(asked: Mapping[str, Any], names: Names, terms: Mapping[str, str]) -> dict[str, Any]:
    return {names.section: asked["section"], **{name: asked[term] for term, name in terms.items() if term in asked}}


def _times(plan: Plan, names: Names) -> dict[str, str]:
    return {names.start_at: iso(plan.window.start), names.end_at: iso(plan.window.end)}


def _segments(plan: Plan, names: Names) -> dict[str, Any]:
    segments = plan.request.get("segments")
    return {names.segment_filter: {names.segments: segments, "time_zone": "UTC"}} if segments else {}


SHORTEST_WINDOW = timedelta(hours=1)


def smaller_orders(plan: Plan) -> Sequence[Plan]:
    """The same in smaller orders, disjoint and complete; none if it can't be made smaller."""
    if plan.window.duration >= 2 * SHORTEST_WINDOW:
        return [Plan(half, plan.request) for half in _halves(plan.window)]
    sections = plan.request["sections"]
    return by_section(plan) if len(sections) > 1 else _with_sections(plan, _fewer_types(sections[0]))


def by_section(plan: Plan) -> Sequence[Plan]:
    """The same with one section in each."""
    return _with_sections(plan, plan.request["sections"])


def _with_sections(plan: Plan, sections: Sequence[Mapping[str, Any]]) -> Sequence[Plan]:
    return [Plan(plan.window, {**plan.request, "sections": [section]}) for section in sections]


def _halves(window: Window) -> tuple[Window, Window]:
    """Cut at a whole hour, so that every part ends up as long as the shortest window."""
    middle = window.start + window.duration // SHORTEST_WINDOW // 2 * SHORTEST_WINDOW
    return Window(window.start, middle), Window(middle, window.end)


def _fewer_types(section: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    types = section.get("event_types", [])
    middle = len(types) // 2
    return [{**section, "event_types": half} for half in (types[:middle], types[middle:])] if middle else []


# Assumed: the vendor only says that a window is three months at most (D1, D2).
RETENTION = timedelta(days=90) - timedelta(days=1)
# Far below the three months, for the size of the file (assumed).
LONGEST_WINDOW = timedelta(days=31)
# Events come late: so many days are asked for again, daily (assumed).
TRAILING_DAYS = 3
# After these the vendor surely made no export; after any other failure it may have.
_PLAIN_REFUSALS = frozenset({408, 425, 429, 500, 503})


def stream_of(connection: str, start: datetime, recipe: Recipe) -> Stream:
    """A stream of a connection, known without asking the vendor."""
    key = StreamKey("apsis", connection, recipe.stream)
    return Stream(
        key=key,
        granularity=Granularity.DAY,
        recipe=recipe,
        retention=RETENTION,
        start=start,
        requests_per_answer=5,  # the order, polls, a download, the definitions
        asked_again=TRAILING_DAYS,
        reach=Reach(longest=LONGEST_WINDOW),
        answers="ordered",
        lacks={
            "estimate": "the vendor gives no estimate of an export, so there is nothing to compare. The newest days "
            f"are ordered again daily; order others with `journey-pipeline backfill {key} --from ... --to ... --again`"
        },
    )


@contextmanager
def saying_if_unknown() -> Iterator[None]:
    """Removes the status from a failure after which the vendor may have made an export.

    A gateway that gave up waiting, and an answer that was cut off, may stand for one (contract, section 6).
    """
    try:
        yield
    except TransientVendorError as error:
        if error.status not in _PLAIN_REFUSALS:
            error.status = None
        raise
