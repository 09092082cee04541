"""From parsed records to the columns that the SQL reads: canonical fields as text, `properties`, and the content.

What a record's fields mean is worked out once for each set of names that records have, because most records of an
answer have the same. Not here: which field is which column (`mapping.py`), times and codes (`events.sql`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from journey_pipeline.vendors.layerfive.customer_journeys.answers import PERSONS
from journey_pipeline.vendors.layerfive.customer_journeys.mapping import (
    NAMES,
    PAGES,
    VOLATILE,
    Detection,
    Field,
    MappingSettings,
    plain,
)

CONSTANTS = ("occurred_at_field",)
COLUMNS = (*NAMES, "page", "content")
"""Of a row; `content` comes last. `CONSTANTS` are the same for a whole file."""
Row = tuple[str | None, ...]

_POSITIONS = {name: position for position, name in enumerate(COLUMNS)}
_PAGE = _POSITIONS["page"]
_CONTENT = _POSITIONS["content"]
# Their canonical form is another one, or is no column of an event at all.
_KEPT_ANYWAY = frozenset({"channel", "event_id", "occurred_at"})
_ADDRESSES = frozenset(plain(name) for name in NAMES["email"])
_PAGES = frozenset(plain(name) for name in PAGES)
_MOST_PLANS = 4096
_MOST_NAMES = 10_000
# A UTC time as a TIMESTAMPTZ shows it again without loss: `2026-11-19T08:15:30Z`, with up to six decimals.
_UTC_TIME_LENGTHS = range(20, 28)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)  # the SQL takes it for no time

_sorted_json = msgspec.json.Encoder(order="sorted", decimal_format="number").encode
_json = msgspec.json.Encoder(decimal_format="number").encode


@dataclass(frozen=True, slots=True)
class _Plan:
    """The columns for records with certain names.

    Attributes:
        own: Position of each column that a name of the record itself leads to, and that name.
        deep: Columns whose field lies inside of objects.
        lower: Positions of columns in lower case.
        volatile: Names that are no part of the content.
        droppable: Names that need not be in `properties` where a column holds the very same, with its position.
        time: The name of the time, if it need not be either where it is written as the column shows it.
    """

    own: tuple[tuple[int, str], ...]
    deep: tuple[tuple[int, Field, str], ...]
    lower: tuple[int, ...]
    pages: tuple[str, ...]
    volatile: tuple[str, ...]
    droppable: tuple[tuple[str, int], ...]
    time: str | None


class Converter:
    """Makes columns of an answer's records.

    Attributes:
        names: The names of the records so far; not more than can be told.
        constants: Columns that are the same for all of them.
    """

    def __init__(self, settings: MappingSettings, detection: Detection) -> None:
        self.names: set[str] = set()
        self.constants = {"occurred_at_field": detection.fields["occurred_at"].name}
        needless = () if settings.event_id_is_unique else ("event_id",)
        self._fields = {column: field for column, field in detection.fields.items() if column not in needless}
        email = [self._fields["email"].name] if "email" in self._fields else []
        paths = (*settings.volatile, *email)
        self._volatile = frozenset(plain(path) for path in (*VOLATILE, *NAMES["email"], *paths))
        self._volatile_paths = tuple(tuple(path.split(".")) for path in paths if "." in path)
        self._plans: dict[tuple[str, ...], _Plan] = {}

    def row(self, record: dict[str, Any]) -> tuple[Row, bytes]:
        """A record's columns, in the order of `COLUMNS`, and its properties as JSON; uses the record up."""
        if None in record.values():
            record = {name: value for name, value in record.items() if value is not None}
        keys = tuple(record)
        plan = self._plans.get(keys) or self._plan(keys)
        row = self._columns(record, plan)
        content = record.copy()
        for name in plan.volatile:
            del content[name]
        row.append(self._content(content))
        for name, position in plan.droppable:
            if record[name] == row[position]:
                del record[name]
        if plan.time and _is_plain_utc(record[plan.time]):
            del record[plan.time]
        return tuple(row), _json(record)

    def _columns(self, record: dict[str, Any], plan: _Plan) -> list[str | None]:
        """The columns but the content, which is the last one."""
        row: list[str | None] = [None] * _CONTENT
        for position, name in plan.own:
            value = record[name]
            row[position] = value if type(value) is str and value else as_text(value)
        for position, field, key in plan.deep:
            row[position] = as_text(field.value_in(record, key))
        for position in plan.lower:
            if text := row[position]:
                row[position] = text.lower()
        if len(plan.pages) > 1 and row[_PAGE] is None:
            row[_PAGE] = next(filter(None, (as_text(record[name]) for name in plan.pages)), None)
        return row

    def _plan(self, keys: tuple[str, ...]) -> _Plan:
        if len(self._plans) >= _MOST_PLANS:
            self._plans.clear()
        if len(self.names) < _MOST_NAMES:
            self.names.update(keys)
        found = {column: key for column, field in self._fields.items() if (key := field.key_in(keys)) is not None}
        deep = {column for column, key in found.items() if self._fields[column].is_deep(key)}
        own = {column: key for column, key in found.items() if column not in deep}
        pages = tuple(key for key in keys if plain(key) in _PAGES)
        sources = {**own, **({"page": pages[0]} if pages else {})}
        droppable = {key: _POSITIONS[column] for column, key in own.items() if column not in _KEPT_ANYWAY}
        time = own.get("occurred_at")
        plan = _Plan(
            own=tuple((_POSITIONS[column], key) for column, key in sources.items()),
            deep=tuple((_POSITIONS[column], self._fields[column], found[column]) for column in deep),
            lower=tuple(_POSITIONS[column] for column in found if self._is_address(column)),
            pages=pages,
            volatile=tuple(key for key in keys if plain(key.removeprefix(PERSONS)) in self._volatile),
            droppable=tuple(droppable.items()),
            time=None if time in droppable else time,
        )
        self._plans[keys] = plan
        return plan

    def _is_address(self, column: str) -> bool:
        """Whether a column holds e-mail addresses, which are written in lower case whatever key they are."""
        return column == "email" or (column == "contact_id" and plain(self._fields[column].path[-1]) in _ADDRESSES)

    def _content(self, record: dict[str, Any]) -> str:
        """A record with its names in order, as text; a NULL is as good as nothing, inside of objects too."""
        for path in self._volatile_paths:
            record = _without(record, path)
        text = _sorted_json(record)
        if text.find(b"{", 1) > 0 and b"null" in text:
            text = _sorted_json(_without_nulls(record))
        return text.decode()


def as_text(value: Any) -> str | None:
    """A value as a column's text; None of what is empty, or holds further values."""
    if type(value) is str:
        return value or None
    if value is None or isinstance(value, dict | list):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _is_plain_utc(value: Any) -> bool:
    if type(value) is not str or not value.endswith("Z") or value[10:11] != "T" or len(value) not in _UTC_TIME_LENGTHS:
        return False
    try:
        return datetime.fromisoformat(value) > _EPOCH
    except ValueError:
        return False


def _without(record: dict[str, Any], path: Iterable[str]) -> dict[str, Any]:
    """A copy of a record without what a path leads to."""
    name, *others = path
    if name not in record:
        return record
    if not others:
        return {key: value for key, value in record.items() if key != name}
    inner = record[name]
    return {**record, name: _without(inner, others)} if isinstance(inner, dict) else record


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(one) for name, one in value.items() if one is not None}
    if isinstance(value, list):
        return [_without_nulls(one) for one in value]
    return value
