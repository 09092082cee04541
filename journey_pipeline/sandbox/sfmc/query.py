"""What a call to `estimate` or `download` asks for: window, columns, format and filters, checked as the vendor does.

Not here: which rows fit (`selection.py`) and how an answer is sent (`history.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from journey_pipeline.model import Window
from journey_pipeline.sandbox.sfmc.envelope import BAD_VALUE, BROKEN_JSON, WRONG_TYPE, RefusedError
from journey_pipeline.sandbox.sfmc.options import SfmcOptions
from journey_pipeline.sandbox.sfmc.rows import COLUMNS, DEFAULT_COLUMNS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_HOUR = timedelta(hours=1)
_DELIMITERS = {"csv": ",", "tsv": "\t"}
_LIST_FIELDS = (
    "contactKeys",
    "activityTypes",
    "definitionIds",
    "statuses",
    "definitionInstanceIds",
    "tags",
    "activityIds",
)


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """One question to the history. Hashable: equal questions have equal answers while nothing new becomes visible.

    Attributes:
        start_ms: First millisecond of the answer's rows, not before the retention's.
        end_ms: The first one after.
        columns: In the order of the answer.
        delimiter: Between fields.
        filters: By the name of the body's field, the values that fit; lower case but for contact keys.
        line_end: Between records.
        bom: Whether a byte order mark comes first.
        extra_column: Name of a column that was not asked for.
        newest_first: Order of the rows.
        final_newline: Whether the last record ends.
        silent_completes: Whether rows without an activity's name that went well are shown.
        mutate: Whether some rows are changed.
        odd_messages: Texts that some rows have as their message.
        empty_body: Whether an empty answer has no header line.
        foreign: Whether it comes from an account that has no journeys.
    """

    start_ms: int
    end_ms: int
    columns: tuple[str, ...] = DEFAULT_COLUMNS
    delimiter: str = ","
    filters: tuple[tuple[str, frozenset[str]], ...] = field(default=())
    line_end: str = "\n"
    bom: bool = False
    extra_column: str | None = None
    newest_first: bool = True
    final_newline: bool = True
    silent_completes: bool = False
    mutate: bool = False
    odd_messages: tuple[str, ...] = ()
    empty_body: bool = False
    foreign: bool = False


def read_query(
    parameters: Mapping[str, str], body: bytes, options: SfmcOptions, *, now: datetime, foreign: bool = False
) -> HistoryQuery:
    """The question that a call asks.

    Args:
        options: What the vendor does with odd ones.
        now: The present; older rows than the retention before it do not exist.
        foreign: Whether the caller's account has no journeys.

    Raises:
        RefusedError: 400 with the vendor's code, naming the field.
    """
    asked = read_object(body)
    start, end = _bounds(asked, now)
    delimiter = _DELIMITERS.get(parameters.get("format", "csv"))
    if delimiter is None:
        raise RefusedError(400, BAD_VALUE, "format must be csv or tsv")
    columns = _columns(parameters.get("columns"), options)
    # Nothing lies ahead of the present, whatever the call says; to the hour, so that the answer stays the same one.
    ahead = now.replace(minute=0, second=0, microsecond=0) + _HOUR
    return HistoryQuery(
        start_ms=_ceil_ms(max(start, now - timedelta(days=options.retention_days))) + options.start_exclusive,
        end_ms=_ceil_ms(min(end, ahead)) + options.end_inclusive,
        columns=columns[::-1] if options.column_order == "reversed" else columns,
        delimiter=delimiter,
        filters=_filters(asked),
        line_end="\r\n" if options.line_end == "crlf" else "\n",
        bom=options.bom,
        extra_column=options.extra_column,
        newest_first=options.row_order == "descending",
        final_newline=options.final_newline,
        silent_completes=options.silent_completes,
        mutate=options.mutate,
        odd_messages=options.odd_messages,
        empty_body=options.empty_body,
        foreign=foreign,
    )


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object of a body; an empty body is an empty object.

    Raises:
        RefusedError: 400/10004 if it is not JSON, 400/10001 if it is not an object.
    """
    try:
        asked = json.loads(body or b"{}")
    except ValueError:
        raise RefusedError(400, BROKEN_JSON, "The body is not JSON.") from None
    if not isinstance(asked, dict):
        raise RefusedError(400, WRONG_TYPE, "The body is not a JSON object.")
    return asked


def window_of(body: bytes) -> Window | None:
    """The span that a call asks for, as fault rules look at it; None where it can't be told."""
    try:
        asked = json.loads(body)
        return Window(_instant("start", asked["start"]), _instant("end", asked["end"]))
    except Exception:  # noqa: BLE001 - any body at all may come in; the route itself refuses it
        return None


def _bounds(asked: Mapping[str, Any], now: datetime) -> tuple[datetime, datetime]:
    """Start and end. Which range a call without them takes is unpublished: the last 24 hours, as on screen."""
    end = _instant("end", asked["end"]) if asked.get("end") is not None else now
    start = _instant("start", asked["start"]) if asked.get("start") is not None else end - timedelta(days=1)
    if end < start:
        raise RefusedError(400, BAD_VALUE, "end lies before start")
    return start, end


def _instant(name: str, text: object) -> datetime:
    if not isinstance(text, str):
        raise RefusedError(400, WRONG_TYPE, f"{name} must be a string")
    try:
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise RefusedError(400, BAD_VALUE, f"{name} must be an ISO 8601 date") from None


def _columns(text: str | None, options: SfmcOptions) -> tuple[str, ...]:
    if not text:
        return DEFAULT_COLUMNS
    asked = tuple(name.strip() for name in text.split(","))
    unknown = [name for name in asked if name not in COLUMNS]
    if unknown and options.unknown_column == "reject":
        raise RefusedError(400, BAD_VALUE, f"columns: {unknown[0][:60]} is not a column")
    return tuple(name for name in asked if name in COLUMNS) or DEFAULT_COLUMNS


def _filters(asked: Mapping[str, Any]) -> tuple[tuple[str, frozenset[str]], ...]:
    found: list[tuple[str, frozenset[str]]] = []
    for name in _LIST_FIELDS:
        values = asked.get(name)
        if values is None or values == []:
            continue
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise RefusedError(400, WRONG_TYPE, f"{name} must be a list of strings")
        # A contact's key tells upper from lower case, nothing else does.
        found.append((name, frozenset(values if name == "contactKeys" else (value.lower() for value in values))))
    return tuple(found)


def _ceil_ms(at: datetime) -> int:
    return -((_EPOCH - at) // _MS)
