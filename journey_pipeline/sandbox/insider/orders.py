"""What an order asks for, checked as the vendor does and in its order; and how many a day takes.

Not here: the file that comes of it (`files.py`), the call with its link (`calls.py`).
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from starlette.datastructures import Headers

from journey_pipeline.model import Window
from journey_pipeline.sandbox.insider.account import ATTRIBUTES, event_names
from journey_pipeline.sandbox.insider.envelope import RefusedError
from journey_pipeline.sandbox.insider.events import UserEvent
from journey_pipeline.sandbox.insider.options import SEGMENT, FileShape, InsiderOptions

_FORMATS = ("csv", "parquet", "json")
_OPERATORS = frozenset({"eq", "ne", "lt", "gt", "lteq", "gteq"})
_DIGITS_OF_SECONDS = 10


@dataclass(frozen=True, slots=True)
class WantedEvent:
    """One event that an order asks for.

    Attributes:
        kind: What it is here; empty of one that nobody has.
        event: Its system name.
        parameters: As asked for.
        journeys: Journeys that a filter lets through; None: all.
    """

    kind: str
    event: str
    parameters: tuple[str, ...]
    journeys: frozenset[int] | None

    def takes(self, event: UserEvent) -> bool:
        """Whether an event goes through the filter."""
        return self.journeys is None or event.journey in self.journeys


@dataclass(frozen=True, slots=True)
class ExportOrder:
    """An order that was taken on."""

    window: Window
    attributes: tuple[str, ...]
    wanted: tuple[WantedEvent, ...]
    format: str
    hook: str
    shape: FileShape
    ordered_at: datetime


def check_access(headers: Headers, options: InsiderOptions) -> None:
    """Looks at who calls, in the vendor's order.

    Raises:
        RefusedError: 400 if a header is missing, 401 or 403 for a wrong pair.
    """
    partner, token = headers.get("x-partner-name"), headers.get("x-request-token")
    if not partner:
        raise RefusedError(400, "partner must be defined: bad request")
    if not token:
        raise RefusedError(400, "token must be defined: bad request")
    if (partner, token) != (options.partner, options.request_token):
        raise RefusedError(options.refusal, "authentication failed: forbidden")


def read_order(body: bytes, options: InsiderOptions, *, now: datetime) -> ExportOrder:
    """The order of an export.

    Raises:
        RefusedError: 400 naming the field.
    """
    asked = _object(body)
    segment = asked.get("segment")
    if not isinstance(segment, dict) or segment.get("segment_id") != SEGMENT:
        raise _bad("segment_id must be that of a dynamic segment")
    attributes, events = asked.get("attributes") or [], asked.get("events")
    if not attributes and not events:
        raise _bad("attributes or events must be defined")
    if not isinstance(events, dict):
        raise _bad("events must be an object")
    window, wanted = _window(events), _wanted(events.get("wanted"), options)
    if asked.get("format") not in _FORMATS:
        raise _bad("format must be csv, parquet or json")
    hook = asked.get("hook")
    if not isinstance(hook, str) or not hook.startswith(("http://", "https://")):
        raise _bad("invalid hook")
    names = tuple(ATTRIBUTES) if attributes == ["*"] else tuple(map(str, attributes))
    return ExportOrder(window, names, wanted, asked["format"], hook, options.shape(), now)


def window_of(body: bytes) -> Window | None:
    """The window that a call asks for, as fault rules look at it; None where it can't be told."""
    try:
        return _window(json.loads(body)["events"])
    except (RefusedError, ValueError, KeyError, TypeError):
        return None  # any body at all may come in; the route itself refuses it


class Quota:
    """The orders that were taken on, by UTC day; thread-safe.

    Attributes:
        accepted: How many there were, by day.
    """

    def __init__(self) -> None:
        self.accepted: Counter[date] = Counter()
        self._lock = threading.Lock()

    def take(self, options: InsiderOptions, now: datetime) -> None:
        """Takes one more order on.

        Raises:
            RefusedError: 429, or 403 that names a limit, if the day's are used.
        """
        day = now.astimezone(UTC).date()
        with self._lock:
            if self.accepted[day] < options.requests_per_day:
                self.accepted[day] += 1
                return
        wait_s = options.quota_retry_after_s
        headers = None if wait_s is None else {"Retry-After": str(wait_s)}
        if options.limit_as_403:
            raise RefusedError(403, "Request limit exceeded: 1 request per day", headers=headers)
        raise RefusedError(429, "rejected: too many requests", headers=headers)


def _object(body: bytes) -> dict[str, Any]:
    try:
        asked = json.loads(body)
    except ValueError:
        raise _bad("the body must be JSON") from None
    if not isinstance(asked, dict):
        raise _bad("the body must be an object")
    return asked


def _window(events: Mapping[str, Any]) -> Window:
    ends = [events.get(name) for name in ("start_date", "end_date")]
    if not all(isinstance(end, int) and len(str(end)) == _DIGITS_OF_SECONDS for end in ends):
        raise _bad("events.start_date and events.end_date must be seconds")
    start, end = (datetime.fromtimestamp(end, UTC) for end in ends if isinstance(end, int))
    if start >= end:
        raise _bad("events.start_date must be before events.end_date")
    return Window(start, end)


def _wanted(asked: object, options: InsiderOptions) -> tuple[WantedEvent, ...]:
    if not isinstance(asked, list) or not asked or not all(isinstance(one, dict) for one in asked):
        raise _bad("events.wanted must be a list of objects")
    kinds = {name: kind for kind, name in event_names(options).items()}
    return tuple(_one_wanted(one, kinds) for one in asked)


def _one_wanted(asked: Mapping[str, Any], kinds: Mapping[str, str]) -> WantedEvent:
    name, parameters = asked.get("event_name"), asked.get("params")
    if not isinstance(name, str) or not isinstance(parameters, list):
        raise _bad("event_name and params must be defined")
    filters = asked.get("filters") or []
    if not isinstance(filters, list) or len(filters) > 1:
        raise _bad("filters: one for each event")
    return WantedEvent(kinds.get(name, ""), name, tuple(map(str, parameters)), _journeys(filters))


def _journeys(filters: Sequence[Mapping[str, Any]]) -> frozenset[int] | None:
    for one in filters:
        if one.get("operator") not in _OPERATORS or ("values" in one) == ("values_url" in one):
            raise _bad("filters: an operator, and values or values_url")
        if one.get("key") == "journey_id" and one["operator"] == "eq":
            return frozenset(map(int, one.get("values") or ()))
    return None


def _bad(what: str) -> RefusedError:
    return RefusedError(400, f"{what}: bad request")
