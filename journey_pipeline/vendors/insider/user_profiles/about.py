"""What a list of people is about: the journey, the filter and the time, by the file beside it or by its name.

The vendor's file does not say it. Not here: what is in the list (`table.py`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from journey_pipeline.errors import ContractError
from journey_pipeline.model import iso
from journey_pipeline.recipe import Population

POPULATIONS = ("enter", "exit", "channel_interaction")
FORM = "insider-profiles__journey-5756__enter__2026-03-01_2026-03-07.csv"

_BEGINS = "insider-profiles__"
_NAME = re.compile(
    _BEGINS
    + r"journey-(?P<journey>[^_]+)__(?P<population>"
    + "|".join(POPULATIONS)
    + r")(?:__(?P<first>\d{4}-\d\d-\d\d)_(?P<last>\d{4}-\d\d-\d\d))?(?:[._ (-].*)?\.csv(?:\.gz)?",
    re.IGNORECASE,
)
_DAY = timedelta(days=1)
_PAIR = 2
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True, slots=True)
class About:
    """What is known of a list.

    Attributes:
        users: How many people the panel counted.
        sha256: Of the file, as far as it is told.
        partner: The account that it is of, likewise.
    """

    journey_id: str | None = None
    population: str | None = None
    window_start: datetime | None = None
    window_end: datetime | None = None
    exported_at: datetime | None = None
    users: int | None = None
    sha256: str | None = None
    partner: str | None = None

    def written(self) -> dict[str, Any]:
        """What the landing's manifest keeps of it."""
        found = {
            "journey_id": self.journey_id,
            "population": self.population,
            "window_start": self.window_start and iso(self.window_start),
            "window_end": self.window_end and iso(self.window_end),
            "exported_at": self.exported_at and iso(self.exported_at),
            "users": self.users,
        }
        return {name: value for name, value in found.items() if value is not None}


def population_of(written: Mapping[str, Any]) -> Population:
    """What all people of a list have in common, out of what the manifest keeps."""
    start, end = (written.get(name) for name in ("window_start", "window_end"))
    return Population(
        datetime.fromisoformat(written["exported_at"]),
        written.get("journey_id"),
        written.get("population"),
        datetime.fromisoformat(start) if start else None,
        datetime.fromisoformat(end) if end else None,
    )


def about_file(name: str, beside: bytes | None) -> About:
    """What the file beside a list says, and the list's name where that says nothing.

    Raises:
        ContractError: If one of them can't be understood.
    """
    named = _of_name(name)
    if beside is None:
        return named
    told = _of_document(beside)
    known = {field: value for field in About.__slots__ if (value := getattr(told, field)) is not None}
    return replace(named, **known)


def _of_name(name: str) -> About:
    if not name.lower().startswith(_BEGINS):
        return About()
    found = _NAME.fullmatch(name)
    if found is None:
        raise ContractError(f"its name begins with {_BEGINS} and has another form than {FORM}: rename it")
    start, end = _window(found["first"], found["last"], last_is_in=True) if found["first"] else (None, None)
    return About(found["journey"], found["population"].lower(), start, end)


def _of_document(beside: bytes) -> About:
    try:
        told = json.loads(beside.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise ContractError("the .json file beside it is no JSON") from None
    if not isinstance(told, dict):
        raise ContractError("the .json file beside it is no JSON object")
    population = told.get("population")
    if population is not None and population not in POPULATIONS:
        raise ContractError(f"`population` in the .json file beside it is none of {', '.join(POPULATIONS)}")
    window = told.get("window")
    if window is not None and not (isinstance(window, list) and len(window) == _PAIR):
        raise ContractError('`window` in the .json file beside it is not of the form ["2026-03-01", "2026-03-08"]')
    start, end = _window(*window, last_is_in=False) if window else (None, None)
    digest = _typed(told, "sha256", str, "64 hexadecimal digits")
    if digest is not None and not _SHA256.fullmatch(digest):
        raise ContractError("`sha256` in the .json file beside it has not 64 hexadecimal digits")
    journey = told.get("journey_id")
    if isinstance(journey, bool) or not isinstance(journey, int | str | None):
        raise ContractError("`journey_id` in the .json file beside it is neither a number nor a text")
    exported_at = told.get("exported_at")
    return About(
        None if journey in {None, ""} else str(journey),
        population,
        start,
        end,
        None if exported_at is None else _time(exported_at, "exported_at"),
        _typed(told, "users", int, "a whole number"),
        digest and digest.lower(),
        _typed(told, "partner", str, "a text"),
    )


def _typed(told: Mapping[str, Any], name: str, kind: type, form: str) -> Any:
    value = told.get(name)
    if value is not None and (isinstance(value, bool) or not isinstance(value, kind)):
        raise ContractError(f"`{name}` in the .json file beside it is not {form}")
    return value


def _window(first: object, last: object, *, last_is_in: bool) -> tuple[datetime, datetime]:
    start, end = _time(first, "window"), _time(last, "window", _DAY if last_is_in else timedelta())
    if start >= end:
        raise ContractError("its window ends before it starts")
    return start, end


def _time(value: object, name: str, and_then: timedelta = timedelta()) -> datetime:
    """A day or an instant, or what lies so long after it; without a zone it is UTC."""
    try:
        text = value if isinstance(value, str) else ""
        at = datetime.fromisoformat(text) if "T" in text else datetime.combine(date.fromisoformat(text), _MIDNIGHT)
        return (at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)) + and_then
    except (ValueError, OverflowError):
        raise ContractError(f"`{name}` is no time of the form 2026-03-08 or 2026-03-08T10:02:00Z") from None


_MIDNIGHT = datetime.min.time()
