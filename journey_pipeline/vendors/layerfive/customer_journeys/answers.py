"""The records of an answer: parsed leniently, taken out of their persons, and counted in passing while it lands.

Not here: the requests (`vendors/layerfive/client.py`), which field is which column (`mapping.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from journey_pipeline.errors import ContractError
from journey_pipeline.transport.response import Refusal
from journey_pipeline.vendors.json_answer import JsonInspector
from journey_pipeline.vendors.layerfive.customer_journeys.mapping import Detection, MappingSettings, is_tellable

# In the order in which they are tried (assumed).
NESTED_NAMES = ("touchpoints", "events", "journey", "steps", "activities")
# Where event and person have different values under one name, the person's stands beside it under this.
PERSONS = "person."


def nested_name(head: Iterable[Any]) -> str | None:
    """The name under which records hold their events, told from the first records of an answer; None if they don't."""
    head = [record for record in head if isinstance(record, dict)]
    for name in NESTED_NAMES:
        if any(isinstance(held, list) and any(isinstance(one, dict) for one in held) for held in _held(head, name)):
            return name
    return None


def unfolded(record: Any, name: str | None) -> list[Any]:
    """The events of a record.

    A person whose events are an empty array, or null, has none. A record without the array is an event itself, whatever
    others hold: nothing is dropped for its form. What is no object in the array is given as it is.

    Args:
        name: As `nested_name` gave it for the answer.
    """
    if name is None or not is_folded(record, name):
        return [record]
    events = record[name] or []
    person = {key: value for key, value in record.items() if key != name}
    return [_merged(event, person) if isinstance(event, dict) else event for event in events]


def is_folded(record: Any, name: str) -> bool:
    """Whether a record is a person with events under a name: an array, or null for none."""
    return isinstance(record, dict) and name in record and (record[name] is None or isinstance(record[name], list))


def _held(records: Iterable[dict[str, Any]], name: str) -> Iterable[Any]:
    return (record.get(name) for record in records)


def _merged(event: dict[str, Any], person: dict[str, Any]) -> dict[str, Any]:
    merged = dict(event)
    for key, value in person.items():
        own = event.get(key)
        if own is None:
            merged[key] = value
        elif own != value and value is not None:
            merged[f"{PERSONS}{key}"] = value
    return merged


ARRAYS = ("results", "data", "journeys", "customer_journeys", "journey_details", "items", "records")
"""Names of the array of records, in the contract's order (assumed)."""

_EXACT_DIGITS = 16
_LARGEST = 1e300
_HEAD_RECORDS = 1000
_HEAD_BYTES = 16 << 20
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def number(text: str) -> float | Decimal:
    """A JSON number with a fraction or an exponent: one that a float would change stays a decimal."""
    if len(text) <= _EXACT_DIGITS and abs(value := float(text)) < _LARGEST:
        return value
    return Decimal(text)


decode = msgspec.json.Decoder(float_hook=number).decode


def parsed(record: bytes) -> Any:
    """A record's value.

    Raises:
        ValueError: If it is not JSON, or nested too deep.
    """
    try:
        return decode(record)
    except UNREADABLE:
        return leniently(record)


def leniently(record: bytes) -> Any:
    """The value of a record that `decode` refuses.

    Half of a surrogate pair, or a byte that is no UTF-8, is U+FFFD; NaN and Infinity, which are not JSON, are text.

    Raises:
        ValueError: If it is not JSON, or nested too deep.
    """
    try:
        value = json.loads(record.decode("utf-8", "replace"), parse_float=number, parse_constant=str)
        text = json.dumps(value, ensure_ascii=False, default=str)
        return decode(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    except (*UNREADABLE, ValueError):
        raise ValueError("not JSON") from None


class Head:
    """The first records of an answer, by which its shape is told: 1,000 of them, or 16 MB."""

    def __init__(self) -> None:
        self.records: list[bytes] = []
        self._bytes = 0

    @property
    def is_full(self) -> bool:
        """Whether no more is taken."""
        return len(self.records) >= _HEAD_RECORDS or self._bytes >= _HEAD_BYTES

    def take(self, records: Iterable[bytes]) -> list[bytes]:
        """Takes what still fits, and gives back the rest."""
        coming = iter(records)
        while not self.is_full and (record := next(coming, None)) is not None:
            self.records.append(record)
            self._bytes += len(record)
        return list(coming)

    def values(self) -> list[Any]:
        """The records' values; None for those that can't be read."""
        return [parsed_or_none(record) for record in self.records]

    def nested_name(self, settings: MappingSettings) -> str | None:
        """The name under which the records hold their events, None if they are events themselves."""
        return settings.events or nested_name(self.values())

    def holds(self, name: str) -> bool:
        """Whether any of the records has events under a name."""
        return any(is_folded(value, name) for value in self.values())

    def detection(self, settings: MappingSettings) -> Detection:
        """The fields of the events, by column."""
        nested = self.nested_name(settings)
        events = (event for value in self.values() for event in unfolded(value, nested))
        return Detection(settings, (event for event in events if isinstance(event, dict)))


def parsed_or_none(record: bytes) -> Any:
    """A record's value, None if it can't be read."""
    try:
        return parsed(record)
    except ValueError:
        return None


_MOST_COLUMNS = 500
_MOST_EVENTS = 10**15  # beyond it a count is a mistake


class JourneyInspector(JsonInspector):
    """Counts the events of an answer, also where they lie inside of persons, and keeps its first records.

    Args:
        settings: What the connection says of its records.

    Attributes:
        persons: Records of the answer, of which each may hold several events.
    """

    def __init__(self, settings: MappingSettings | None = None) -> None:
        self.settings = settings or MappingSettings()
        super().__init__(ARRAYS, path=self.settings.records_path)
        self.head = Head()
        self.persons = 0
        self._nested: str | None = None
        self._is_open = False

    def take(self, records: Sequence[bytes]) -> None:
        """Counts the events of the next records."""
        self.persons += len(records)
        rest = records if self._is_open else self.head.take(records)
        if self.head.is_full:
            self._begin()
        self._count(rest)

    def finish(self, *, verified: bool) -> None:
        """Takes the end; see `JsonInspector`."""
        super().finish(verified=verified)
        self._begin()
        _ = self.next_link  # refused while the evidence is at hand

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the first events' fields, as far as they can be told."""
        events = (event for record in self.head.values() for event in unfolded(record, self._nested))
        names = dict.fromkeys(name for event in events if isinstance(event, dict) for name in event)
        return tuple(filter(is_tellable, names))[:_MOST_COLUMNS]

    @property
    def promised_rows(self) -> int | None:
        """How many events the answer says it has; None if it says nothing, or speaks of all its pages."""
        count = None if self.no_records else self.members.get("count")
        if not isinstance(count, int) or isinstance(count, bool) or self.members.get("next"):
            return None
        if not 0 <= count <= _MOST_EVENTS:
            return None
        return self.rows if self._nested and count == self.persons else count

    @property
    def next_link(self) -> str | None:
        """Where the answer goes on.

        Raises:
            ContractError: If it goes on, and where to is no link.
        """
        link = self.members.get("next")
        if link is None and "next" in self.names and "next" not in self.members:
            link = ()  # too long to be kept
        if link is None or link == "":
            return None
        if not isinstance(link, str):
            what = type(link).__name__ if link else "value that is longer than any link"
            raise ContractError(
                f"the answer's `next` is no link but a {what}, so its other pages can't be asked for. "
                "The vendor's answer has changed; please report it."
            )
        return link

    def _begin(self) -> None:
        if not self._is_open:
            self._is_open = True
            self._nested = self.head.nested_name(self.settings)
            self._count(self.head.records)

    def _count(self, records: Sequence[bytes]) -> None:
        if self._nested is None:
            self.rows += len(records)
        else:
            self.rows += sum(len(unfolded(parsed_or_none(record), self._nested)) for record in records)


def explain(status: int, _body: bytes) -> Refusal:
    """What to do about a refusal (contract of the vendor, section 5)."""
    refused = "Check <CONNECTION>_API_KEY: it is wrong, revoked or not allowed to read customer journeys."
    advice = {
        400: "Check the date: it may lie in the future for the vendor.",
        401: refused,
        403: refused,
        404: "Check <CONNECTION>_URL: it is the address before /api.",
    }.get(status, "")
    return Refusal(advice=advice)
