"""What the account has defined: sections, attributes, tags, event types, segments, and the version ids of each.

Things are addressed by discriminators and appear in files under version ids. Some get a new version every four weeks,
and the definitions list the latest versions alone. Not here: the routes that tell it (`definitions.py`), and what the
people's attributes are (`sandbox/world/profiles.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

_VERSIONS_FROM_MS = 1_704_067_200_000  # 2024-01-01T00:00Z
_VERSION_MS = 28 * 86_400_000
_UNLISTED = 500  # what a type id that no definition lists lies above the listed one


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the account; `number` counts from 0."""

    number: int
    id: str
    discriminator: str
    name: str


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute of a section.

    Attributes:
        field: Its name among the world's attributes.
        discriminator: In orders.
        name: For people.
        type: `string`, `integer`, `decimal`, `boolean`, `date` or `date-time`.
        first_id: Version id of its first version in the first section.
        is_versioned: Whether it gets new versions.
    """

    field: str
    discriminator: str
    name: str
    type: str
    first_id: int
    is_versioned: bool = False

    def id(self, section: Section, at_ms: int, *, back: int = 0) -> str:
        """The version id at an instant, or that of some versions earlier."""
        version = max(0, version_number(at_ms) - back) if self.is_versioned else 0
        return str(self.first_id + version + section.number * (1_000_000 if _is_own(self.discriminator) else 0))

    def name_at(self, at_ms: int) -> str:
        """Its name at an instant: every other version of what has versions goes by another one."""
        return f"engagement {self.name}" if self.is_versioned and version_number(at_ms) % 2 else self.name


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag; `id` is its version id in all sections."""

    field: str
    discriminator: str
    name: str
    id: str


@dataclass(frozen=True, slots=True)
class EventType:
    """A type of event.

    Attributes:
        number: From 0.
        discriminator: In orders.
        name: For people.
        csv_type: What e-mail exports call it; empty for those that they don't have.
    """

    number: int
    discriminator: str
    name: str
    csv_type: str = ""

    def ids(self, at_ms: int, most: int = 1) -> list[str]:
        """The version ids that are listed at an instant, the latest last."""
        latest = version_number(at_ms) if self.number % 2 == 0 else 0
        first = 5_000 + self.number * 1_000
        return [str(first + version) for version in range(max(0, latest - most + 1), latest + 1)]

    def unlisted_id(self, at_ms: int) -> str:
        """A version id that no definition ever lists."""
        return str(int(self.ids(at_ms)[0]) + _UNLISTED)


@dataclass(frozen=True, slots=True)
class Segment:
    """A selection of profiles; `has` says of a person's number whether they are in it."""

    discriminator: str
    name: str
    has: Callable[[int], bool]


def version_number(at_ms: int) -> int:
    """Which version things have at an instant, from 0; milliseconds since 1970."""
    return max(0, (at_ms - _VERSIONS_FROM_MS) // _VERSION_MS)


def _is_own(discriminator: str) -> bool:
    return discriminator.startswith("usercreated.")


SECTIONS = (
    Section(0, "1234", "usercreated.sections.main-x1", "Main"),
    Section(1, "1301", "usercreated.sections.loyalty-x2", 'Loyalty, "points"'),
)
ATTRIBUTES = (
    Attribute("email", "com.apsis1.attributes.email", "Email", "string", 88),
    Attribute("first_name", "com.apsis1.attributes.firstname", "First name", "string", 89),
    Attribute("gender", "usercreated.attributes.gender-a1", "gender", "string", 491_874),
    Attribute("country", "usercreated.attributes.country-a2", "country", "string", 491_875),
    Attribute("born_on", "usercreated.attributes.born-a3", "born on", "date", 491_880),
    Attribute("score", "usercreated.attributes.score-a4", "score", "integer", 600_000, is_versioned=True),
    Attribute("spent", "usercreated.attributes.spent-a5", "spent, SEK", "decimal", 491_910),
    Attribute("is_member", "usercreated.attributes.member-a6", "is member", "boolean", 491_911),
    Attribute("last_visit_at", "usercreated.attributes.visit-a7", "last visit", "date-time", 491_912),
)
TAGS = (
    Tag("vip", "usercreated.tags.vip-2", "VIP", "7731"),
    Tag("newsletter", "usercreated.tags.newsletter-3", "Newsletter", "7732"),
    Tag("sale", "usercreated.tags.sale-4", "Sale (this week)", "7733"),
)
_TYPES = (
    ("com.apsis1.events.email-sent", "Email sent", "SENT"),
    ("com.apsis1.events.email-delivered", "Email delivered", "DELIVERED"),
    ("com.apsis1.events.email-open", "Email opened", "OPENED"),
    ("com.apsis1.events.email-click", "Email link clicked", "CLICKED"),
    ("com.apsis1.events.email-bounce", "Email bounced", "BOUNCED"),
    ("com.apsis1.events.email-unsubscribe", "Email unsubscribed", "UNSUBSCRIBED"),
    ("com.apsis1.events.email-abuse", "Email reported as spam", "ABUSE"),
    ("com.apsis1.events.sms-sent", "SMS sent", ""),
    ("com.apsis1.events.sms-delivered", "SMS delivered", ""),
    ("com.apsis1.events.sms-click", "SMS link clicked", ""),
    ("com.apsis1.events.sms-bounce", "SMS bounced", ""),
    ("com.apsis1.events.sms-reply", "SMS answered", ""),
    ("com.apsis1.events.ma-entered", "Automation entered", ""),
    ("com.apsis1.events.ma-exited", "Automation left", ""),
    ("com.apsis1.events.ma-wait-ended", "Wait ended", ""),
    ("com.apsis1.events.ma-condition-met", "Condition met", ""),
    ("com.apsis1.events.form-submitted", "Form submitted", ""),
    ("com.apsis1.events.page-viewed", "Page viewed", ""),
    ("com.shop.events.order-placed", "Order placed", ""),
    ("com.shop.events.cart-updated", "Cart updated", ""),
    ("usercreated.events.points-9", "Points, given", ""),
)
EVENT_TYPES = {
    discriminator.rpartition(".")[2]: EventType(number, discriminator, name, csv_type)
    for number, (discriminator, name, csv_type) in enumerate(_TYPES)
}
TOPICS = (("usercreated.topics.news-t1", "News"), ("usercreated.topics.offers-t2", "Offers, sale"))
SEGMENTS = (
    Segment("usercreated.segments.customers-9", "Customers", lambda number: number % 5 == 0),
    Segment("usercreated.segments.everyone-1", "Everyone", lambda _: True),
)
