"""From one event of the world to what APSIS One sees of it: sends and what people do with them, steps, orders, forms.

Everything follows from the event's number, so that both exports, in any window and any order of asking, tell of the
same things. Not here: what such an event holds (`details.py`), and which ones a window has (`events.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from journey_pipeline.sandbox.apsis.account import EVENT_TYPES, EventType
from journey_pipeline.sandbox.world import Event
from journey_pipeline.sandbox.world.routes import Happening

HOUR_MS = 3_600_000
MOST_REACTION_MS = 8 * HOUR_MS  # nothing happens later after the world's event
MOST_LAG_MS = 300_000  # nothing that isn't late is received later after it happened
_MASK = (1 << 64) - 1
_ONE = 1 << 32
_STEP_KINDS = {
    "waitactivity": "ma-wait-ended",
    "stowait": "ma-wait-ended",
    "stopinteractionactivity": "ma-exited",
    "exitcriteriaactivity": "ma-exited",
    "goalcriteriaactivity": "ma-exited",
    "pushnotificationactivity": "page-viewed",
    "inappsyncactivity": "page-viewed",
    "pushinboxactivity": "page-viewed",
    "pushsync": "cart-updated",
    "rest": "points-9",
    "salescloudactivity": "points-9",
}


class Reaction(NamedTuple):
    """One event of APSIS One. Times are milliseconds since 1970.

    Attributes:
        source_ms: When it happened.
        number: Identity of the world's event behind it.
        ordinal: Its place among what came of that event.
        type: What happened.
        person_number: To whom.
        happening: The step of the world behind it.
        luck: What its dice are thrown with.
    """

    source_ms: int
    number: int
    ordinal: int
    type: EventType
    person_number: int
    happening: Happening
    luck: int

    @property
    def correlation_id(self) -> str:
        """What the event's source calls it."""
        return f"c-{self.number >> 64:016x}:{self.ordinal}"

    def share(self, salt: int) -> float:
        """A number in `[0, 1)` that follows from the event and a salt."""
        return dice(self.luck, self.ordinal << 8 | salt)


def luck_of(event: Event) -> int:
    """What the dice of an event of the world are thrown with."""
    return (event.number ^ event.number >> 64) & _MASK


def dice(luck: int, salt: int) -> float:
    """A number in `[0, 1)` that follows from an event's luck and a salt."""
    mixed = (luck ^ salt * 0x9E3779B97F4A7C15) * 0xD6E8FEB86659FD93 & _MASK
    mixed = (mixed ^ mixed >> 32) * 0xD6E8FEB86659FD93 & _MASK
    return (mixed >> 32) / _ONE


def reactions(event: Event, luck: int) -> Iterator[Reaction]:
    """What came of an event of the world with its luck, in no order of time."""
    occurred_ms, number, _, _, person_number, happening = event
    for ordinal, (offset_ms, name) in enumerate(_plan(happening)(luck)):
        yield Reaction(occurred_ms + offset_ms, number, ordinal, EVENT_TYPES[name], person_number, happening, luck)


_Plan = Callable[[int], Iterable[tuple[int, str]]]


@lru_cache(maxsize=65_536)
def _plan(happening: Happening) -> _Plan:
    """How an event of a step goes on: what happens how many milliseconds later, by the event's luck."""
    kind = happening.activity.type.lower()
    entered = ["ma-entered"] if happening.activity is happening.version.activities[0] else []
    if kind == "emailv2":
        return _bounced if happening.failure else _emailed
    if kind in {"smssync", "whatsappactivity"}:
        return _texted_in_vain if happening.failure else _texted
    if happening.failure:
        names = [*entered, "ma-exited"]
    elif kind == "trigger":
        names = ["form-submitted", *entered]
    elif kind == "goalcriteriaactivity":
        names = ["order-placed", "ma-exited"]
    elif "split" in kind or "decision" in kind or kind == "abntest":
        names = ["ma-condition-met"]
    else:
        names = [*entered, *([_STEP_KINDS[kind]] if kind in _STEP_KINDS else [])]
    fixed = [(200 * place, name) for place, name in enumerate(names)]
    return lambda _: fixed


def _emailed(luck: int) -> Iterator[tuple[int, str]]:
    yield 0, "email-sent"
    if dice(luck, 1) < 0.03:  # noqa: PLR2004 - shares of an ordinary mailing
        yield 2_000, "email-bounce"
        return
    delivered = 1_000 + int(dice(luck, 2) * 60_000)
    yield delivered, "email-delivered"
    if dice(luck, 3) > 0.4:  # noqa: PLR2004
        return
    opened = delivered + 5_000 + int(dice(luck, 4) ** 3 * 6 * HOUR_MS)
    yield opened, "email-open"
    if dice(luck, 5) < 0.1:  # noqa: PLR2004
        yield opened + int(dice(luck, 6) * HOUR_MS), "email-open"
    if dice(luck, 7) < 0.35:  # noqa: PLR2004
        yield opened + 2_000 + int(dice(luck, 8) * 600_000), "email-click"
    if (fate := dice(luck, 9)) < 0.04:  # noqa: PLR2004
        yield opened + 30_000, "email-unsubscribe" if fate < 0.025 else "email-abuse"  # noqa: PLR2004


def _bounced(luck: int) -> Iterator[tuple[int, str]]:
    yield 0, "email-sent"
    yield 500 + int(dice(luck, 2) * 60_000), "email-bounce"


def _texted(luck: int) -> Iterator[tuple[int, str]]:
    yield 0, "sms-sent"
    yield 1_000 + int(dice(luck, 2) * 20_000), "sms-delivered"
    if (fate := dice(luck, 3)) < 0.2:  # noqa: PLR2004
        yield 60_000 + int(dice(luck, 4) * HOUR_MS), "sms-click" if fate < 0.15 else "sms-reply"  # noqa: PLR2004


def _texted_in_vain(luck: int) -> Iterator[tuple[int, str]]:
    yield 0, "sms-sent"
    yield 500 + int(dice(luck, 2) * 20_000), "sms-bounce"
