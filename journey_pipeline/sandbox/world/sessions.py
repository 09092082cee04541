"""What a visit to the shop is drawn from: where visitors come from, what they do there, and how often they come back.

A visit is a session: one source, one device, and touches some seconds apart. All ways that there are stand in two
tables, one for visitors who come for the first time and one for customers. Not here: who goes which way, and when
(`crowds.py`).
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from journey_pipeline.sandbox.world.curve import busyness
from journey_pipeline.sandbox.world.naming import Naming, named

DAY_MS = 86_400_000
LONGEST_SESSION_MS = 3_600_000
LAST_VISIT_DAY = 99  # of a new visitor, counted from the first visit
_WAYS = 512
_SHOP = "https://shop.example"
_PAGES = ("/boots", "/boots/red?size=42&fit=wide", "/jackets/åre", '/sale?tag="last"', "/")
_DEVICES = ("mobile", "desktop", "tablet")
_ADS = ('Autumn, "early"', "Låt oss gå 🥾", "Black\nFriday", "50% {off} \\ today", "عرض الشتاء")
_MONDAY = 4  # 1970-01-05, in days


@dataclass(frozen=True, slots=True)
class Source:
    """Where a session comes from, in the words of web analytics; `advertises` if a campaign brings it."""

    channel: str
    source: str
    medium: str
    referrer: str | None
    advertises: bool = False


@dataclass(frozen=True, slots=True)
class Touch:
    """One touch of a session: everything of it but who, when and for how much.

    Attributes:
        event_type: `page_view`, `click`, `purchase`, `sign_up`, `email_open`, `email_click`.
        source: Where the session comes from.
        campaign: Name of the campaign behind it, if any.
        landing_page: Where the session began.
        page_url: Where the touch was.
        device: What it was made with.
    """

    event_type: str
    source: Source
    campaign: str | None
    landing_page: str
    page_url: str
    device: str


WEB = (
    Source("Paid Social", "instagram", "cpc", "https://l.instagram.com/", advertises=True),
    Source("Paid Search", "google", "cpc", "https://www.google.com/", advertises=True),
    Source("Organic Search", "google", "organic", "https://www.google.com/"),
    Source("Direct", "(direct)", "(none)", None),
    Source("Referral", "blog.example", "referral", "https://blog.example/boots?a=1&b=2"),
    Source("Organic Social", "tiktok", "social", "https://www.tiktok.com/"),
    Source("Affiliate", "partner-7", "affiliate", "https://partner.example/7", advertises=True),
)
MAIL = Source("Email", "newsletter", "email", None, advertises=True)
SIGN_UP = Touch("sign_up", WEB[3], None, f"{_SHOP}/account", f"{_SHOP}/account", "mobile")

# Event types and the milliseconds from the first one. Two at the same moment are two clicks that nothing tells apart.
_Shape: TypeAlias = tuple[tuple[str, int], ...]
_ON_THE_WEB: tuple[_Shape, ...] = (
    (("page_view", 0),),
    (("page_view", 0), ("page_view", 41_120)),
    (("page_view", 0), ("page_view", 63_000), ("click", 90_250), ("page_view", 91_000)),
    (("page_view", 0), ("click", 12_400), ("click", 12_400), ("page_view", 13_870)),
    (("page_view", 0), ("page_view", 95_700), ("click", 180_000), ("purchase", 601_000)),
)
_BY_MAIL: tuple[_Shape, ...] = (
    (("email_open", 0),),
    (("email_open", 0), ("email_open", 0)),
    (("email_open", 0), ("email_click", 8_300), ("page_view", 9_000), ("page_view", 47_310)),
    (("email_open", 0), ("email_click", 5_000), ("page_view", 6_020), ("purchase", 903_000)),
)


@dataclass(frozen=True, slots=True)
class Ways:
    """A table of ways, each some touches in a row; the arrays have a place for each touch, way after way.

    Attributes:
        first: For each way the place of its first touch; int64.
        count: For each way how many touches it has; int64.
        offset_ms: Of each touch, from midnight of the first visit's day; int64.
        session: Which visit of its way a touch belongs to, from 0; int64.
        touches: What each of them is.
    """

    first: npt.NDArray[np.int64]
    count: npt.NDArray[np.int64]
    offset_ms: npt.NDArray[np.int64]
    session: npt.NDArray[np.int64]
    touches: tuple[Touch, ...]

    @property
    def touches_a_way(self) -> float:
        """How many touches a way has on average."""
        return len(self.touches) / len(self.first)


def visitor_ways(seed: int, *, steady: bool, names: Naming) -> Ways:
    """What new visitors do in the hundred days after they first came: most come once, some up to seven times."""
    dice = random.Random(f"{seed}/visitor ways")
    hours = _hours(steady=steady)

    def way() -> Iterator[tuple[int, int, Touch]]:
        day = 0
        for visit in range(dice.choice((1, 1, 1, 2, 2, 3, 4, 7))):
            start_ms = day * DAY_MS + dice.choice(hours) * LONGEST_SESSION_MS
            yield from (
                (visit, start_ms + after_ms, touch) for after_ms, touch in _session(dice, WEB, _ON_THE_WEB, (), names)
            )
            day = min(LAST_VISIT_DAY, day + 1 + int(dice.expovariate(1 / 14)))

    return _ways([list(way()) for _ in range(_WAYS)])


def customer_ways(seed: int, campaigns: Sequence[str], *, steady: bool, names: Naming) -> Ways:
    """What customers do on a visit: half of them come by one of the shop's mails.

    Args:
        campaigns: Names of what the mails are sent by.
        steady: Whether all hours are alike.
    """
    dice = random.Random(f"{seed}/customer ways")
    hours = _hours(steady=steady)

    def way() -> Iterator[tuple[int, int, Touch]]:
        by_mail = dice.random() < 0.5  # noqa: PLR2004 - half
        start_ms = dice.choice(hours) * LONGEST_SESSION_MS
        sources, shapes = ((MAIL,), _BY_MAIL) if by_mail else (WEB, _ON_THE_WEB)
        for after_ms, touch in _session(dice, sources, shapes, campaigns if by_mail else (), names):
            yield 0, start_ms + after_ms, touch

    return _ways([list(way()) for _ in range(_WAYS)])


def _session(
    dice: random.Random, sources: Sequence[Source], shapes: Sequence[_Shape], campaigns: Sequence[str], names: Naming
) -> list[tuple[int, Touch]]:
    source, device = dice.choice(sources), dice.choice(_DEVICES)
    campaign = named(dice.choice(campaigns or _ADS), names) if source.advertises else None
    landing = _page(dice, names)
    pages = itertools.chain([landing], iter(lambda: _page(dice, names), None))
    return [
        (after_ms, Touch(event_type, source, campaign, landing, landing if event_type == "click" else page, device))
        for (event_type, after_ms), page in zip(dice.choice(shapes), pages, strict=False)
    ]


def _page(dice: random.Random, names: Naming) -> str:
    return f"{_SHOP}{named(dice.choice(_PAGES), names)}"


def _ways(ways: Sequence[Sequence[tuple[int, int, Touch]]]) -> Ways:
    counts = np.array([len(way) for way in ways], dtype=np.int64)
    rows = list(itertools.chain.from_iterable(ways))
    return Ways(
        first=np.cumsum(counts) - counts,
        count=counts,
        offset_ms=np.array([offset_ms for _, offset_ms, _ in rows], dtype=np.int64),
        session=np.array([session for session, _, _ in rows], dtype=np.int64),
        touches=tuple(touch for _, _, touch in rows),
    )


def _hours(*, steady: bool) -> list[int]:
    """Hours of a day, the busy ones more often."""
    weights = [1.0 if steady else busyness(_MONDAY * 24 + hour) for hour in range(24)]
    return [hour for hour, weight in enumerate(weights) for _ in range(max(1, round(10 * weight)))]
