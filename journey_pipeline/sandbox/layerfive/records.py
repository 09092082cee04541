"""From a touchpoint to a record as an answer tells it: its fields, and what the vendor changes of them later.

Not here: other names and nesting (`document.py`), odd records (`odd.py`), which touchpoints there are (`selection.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeAlias

from journey_pipeline.model import iso
from journey_pipeline.sandbox.layerfive.odd import make_odd
from journey_pipeline.sandbox.layerfive.options import LayerFiveOptions
from journey_pipeline.sandbox.layerfive.question import milliseconds
from journey_pipeline.sandbox.layerfive.selection import HOUR_MS
from journey_pipeline.sandbox.world.sessions import DAY_MS
from journey_pipeline.sandbox.world.visits import Touchpoint
from journey_pipeline.sandbox.world.world import instant

Record: TypeAlias = dict[str, Any]

PERSON_FIELDS = ("individual_id", "email", "known_since", "visitor_id")
_CENTS = 30_000
_MINUTES = tuple(f"{minute // 60:02d}:{minute % 60:02d}" for minute in range(1_440))


class Teller:
    """Tells touchpoints as they are told at one moment.

    Args:
        options: What changes later, what is odd.
        times: How times are written; ISO 8601 if None.
    """

    def __init__(self, options: LayerFiveOptions, *, times: Callable[[int], str | int] | None = None) -> None:
        self._options = options
        self._times = times or stamp
        self._known_times = lru_cache(maxsize=1_024)(self._times)  # a person's touches come together
        self._renamed_ms = _ms(options.campaigns_renamed_at)
        self._changed_ms = _ms(options.schema_changed_at)
        self._extra = dict.fromkeys(options.extra_fields, "x")

    def record(self, touchpoint: Touchpoint, asked_ms: int) -> Record:
        """One record.

        Args:
            asked_ms: When it is told, milliseconds since 1970.
        """
        options, age_ms = self._options, asked_ms - touchpoint.occurred_ms
        record = self._person(touchpoint, age_ms) | _visit(touchpoint)
        record["event_time"] = self._times(touchpoint.occurred_ms)
        if touchpoint.touch.event_type == "purchase":
            record |= _order(touchpoint, corrected=_older(age_ms, options.revenue_corrected_after_h))
        if self._renamed_ms is not None and asked_ms >= self._renamed_ms and record.get("campaign"):
            record["campaign"] += " (renamed)"
        if self._changed_ms is not None and asked_ms >= self._changed_ms:
            record.pop("referrer", None)
            record["engagement_score"] = touchpoint.luck % 1000 / 10
        if self._extra:
            record |= self._extra
        return make_odd(record, touchpoint.luck, options) if options.odd else record

    def _person(self, touchpoint: Touchpoint, age_ms: int) -> Record:
        who = touchpoint.individual
        email: str | None = who.email
        if not touchpoint.luck & 15:
            email = who.email.lower()
        if self._options.email_known_after_h is not None and not _older(age_ms, self._options.email_known_after_h):
            email = None
        return {
            "individual_id": who.id,
            "email": email,
            "known_since": self._known_times(touchpoint.known_ms),
            "visitor_id": who.visitor_id,
        }


def _visit(touchpoint: Touchpoint) -> Record:
    """What a touch is; mails and sign-ups have fewer fields than pages, orders others."""
    touch = touchpoint.touch
    source = touch.source
    visit: Record = {
        "session_id": f"s-{touchpoint.session:x}",
        "event_type": touch.event_type,
        "event_time": None,  # keeps its place
        "channel": source.channel,
        "source": source.source,
        "medium": source.medium,
        "campaign": touch.campaign,
    }
    if touch.event_type in {"page_view", "click"}:
        visit |= {
            "referrer": source.referrer,
            "landing_page": touch.landing_page,
            "page_url": touch.page_url,
            "device": touch.device,
            "order_id": None,
            "revenue": None,
        }
    elif touch.event_type == "email_click":
        visit |= {"landing_page": touch.landing_page, "device": touch.device}
    return visit


def _order(touchpoint: Touchpoint, *, corrected: bool) -> Record:
    cents = 500 + touchpoint.luck // 16 % _CENTS
    if corrected and not touchpoint.luck >> 32 & 3:
        cents -= cents // 4
    return {"order_id": f"o-{touchpoint.luck:x}", "revenue": cents / 100, "currency": "EUR"}


def _older(age_ms: int, than_h: float | None) -> bool:
    return than_h is not None and age_ms >= than_h * HOUR_MS


def _ms(at: datetime | None) -> int | None:
    return None if at is None else milliseconds(at)


def stamp(ms: int) -> str:
    """Milliseconds since 1970 as ISO 8601 in UTC; without a fraction where there is none."""
    minutes, ms_of_minute = divmod(ms, 60_000)
    day, minute = divmod(minutes, 1_440)
    seconds, millis = divmod(ms_of_minute, 1_000)
    fraction = f".{millis:03d}" if millis else ""
    return f"{_date(day)}T{_MINUTES[minute]}:{seconds:02d}{fraction}Z"


@lru_cache(maxsize=4_096)
def _date(day: int) -> str:
    return iso(instant(day * DAY_MS))[:10]


def times_as(options: LayerFiveOptions) -> Callable[[int], str | int]:
    """A function that writes milliseconds since 1970 as the options say."""
    if options.time_format == "iso":
        return stamp
    if options.time_format in _PATTERNS:
        zone, pattern = options.zone, _PATTERNS[options.time_format]
        return lambda ms: instant(ms).astimezone(zone).strftime(pattern)
    times, by = _UNITS[options.time_format]
    return lambda ms: ms * times // by


_PATTERNS = {"zoneless": "%Y-%m-%dT%H:%M:%S.%f", "space": "%Y-%m-%d %H:%M:%S", "date": "%Y-%m-%d"}
_UNITS = {"epoch_s": (1, 1000), "epoch_ms": (1, 1), "epoch_us": (1000, 1)}
