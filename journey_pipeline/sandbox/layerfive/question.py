"""What a call asks for: everything since a day, one person, or the last 24 hours; checked as the vendor does.

Not here: which touchpoints an answer then holds (`selection.py`) and how it is written (`document.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from urllib.parse import parse_qs, urlencode

from journey_pipeline.model import Granularity, Window
from journey_pipeline.sandbox.layerfive.envelope import RefusedError
from journey_pipeline.sandbox.layerfive.options import LayerFiveOptions
from journey_pipeline.sandbox.world.individuals import number_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_DAY = Granularity.DAY.duration


@dataclass(frozen=True, slots=True)
class Question:
    """One question.

    Attributes:
        form: Everything since a day, one person, or the last 24 hours.
        asked_ms: When it was asked, milliseconds since 1970; for a later page, when the first one was.
        since_ms: For `delta`, where the day begins.
        person_number: For `person`, who.
        parameters: As asked, without those of a page.
        page: Which page of the answer, from 0.
    """

    form: Literal["delta", "person", "recent"]
    asked_ms: int
    since_ms: int = 0
    person_number: int | None = None
    parameters: tuple[tuple[str, str], ...] = ()
    page: int = 0

    def page_query(self, page: int) -> str:
        """The query that asks for a page of the same answer."""
        return urlencode([*self.parameters, ("page", page), ("as_of", self.asked_ms)])


def read_question(asked: Mapping[str, str], options: LayerFiveOptions, *, now: datetime) -> Question:
    """The question that a call asks. Unknown parameters are ignored.

    Raises:
        RefusedError: 400 naming the parameter, or 404 for an unknown person.
    """
    asked_ms, page = milliseconds(now), 0
    if options.page_size is not None and "page" in asked:
        page, asked_ms = _page(asked, asked_ms)
    parameters = tuple((name, asked[name]) for name in ("event_date", "email") if name in asked)
    if len(parameters) > 1:
        raise RefusedError(400, {"non_field_errors": ["Use either event_date or email."]})
    if "event_date" in asked:
        since_ms = not_before(_day(asked["event_date"], options, now), asked_ms, options)
        return Question("delta", asked_ms, since_ms, parameters=parameters, page=page)
    if "email" in asked:
        number = _person(asked["email"], options)
        return Question("person", asked_ms, person_number=number, parameters=parameters, page=page)
    return Question("recent", asked_ms, page=page)


def window_of(query: bytes) -> Window | None:
    """The day that a call names, as fault rules look at it; None for the other forms."""
    try:
        day = date.fromisoformat(parse_qs(query.decode())["event_date"][-1])
        start = datetime.combine(day, time(), UTC)
        return Window(start, start + _DAY)
    except (KeyError, ValueError, OverflowError):  # anything at all may come in; the route itself refuses it
        return None


def not_before(since: datetime, asked_ms: int, options: LayerFiveOptions) -> int:
    """Where an answer begins, milliseconds since 1970: where it was asked to, or with the retention."""
    return max(milliseconds(since), asked_ms - options.retention_days * _DAY // _MS)


def milliseconds(at: datetime) -> int:
    """An instant in milliseconds since 1970, rounded down."""
    return (at - _EPOCH) // _MS


def _day(text: str, options: LayerFiveOptions, now: datetime) -> datetime:
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=options.zone)
    except ValueError:
        raise RefusedError(400, {"event_date": ["Enter a valid date, as YYYY-MM-DD."]}) from None
    if day > now:
        raise RefusedError(400, {"event_date": ["The date lies in the future."]})
    return day.astimezone(UTC)


def _person(email: str, options: LayerFiveOptions) -> int | None:
    if "@" not in email:
        raise RefusedError(400, {"email": ["Enter a valid email address."]})
    number = number_of(email)
    if number is None and options.unknown_person == "404":
        raise not_known()
    return number


def not_known() -> RefusedError:
    """The refusal for an unknown person."""
    return RefusedError(404, "No individual has this email address.")


def _page(asked: Mapping[str, str], now_ms: int) -> tuple[int, int]:
    try:
        page, asked_ms = int(asked["page"]), int(asked.get("as_of", now_ms))
    except ValueError:
        page = asked_ms = -1
    if page < 0 or not 0 <= asked_ms <= now_ms:
        raise RefusedError(404, "Invalid page.")
    return page, asked_ms
