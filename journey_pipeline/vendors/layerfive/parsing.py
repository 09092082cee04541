"""Records as parsed JSON: read leniently, events taken out of their persons, and told of where no mapping fits.

A message has names, never values. Not here: which field is which column (`mapping.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from journey_pipeline.errors import ContractError
from journey_pipeline.formats.json_scan import NoRecordsError
from journey_pipeline.vendors.layerfive.mapping import Detection, MappingSettings, is_tellable, plain

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
    """The first records of an answer, by which its shape is told: 1,000 of them, or 16 MB.

    Attributes:
        records: As they stand.
    """

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
        """Which of the events' fields is which."""
        nested = self.nested_name(settings)
        events = (event for value in self.values() for event in unfolded(value, nested))
        return Detection(settings, (event for event in events if isinstance(event, dict)))


def parsed_or_none(record: bytes) -> Any:
    """A record's value, None if it can't be read."""
    try:
        return parsed(record)
    except ValueError:
        return None


_MOST_NAMES = 40
# Of which names an example is made, likeliest first.
_HINTS = {
    "occurred_at": ("time", "date", "stamp", "when", "moment", "at"),
    "contact_id": ("person", "individual", "contact", "customer", "user", "visitor", "profile", "who", "key", "id"),
}


def unmappable(detection: Detection) -> ContractError:
    """The error of an answer whose records have no time or no person."""
    if not detection.counts:
        return ContractError("the answer can't be mapped: its first records are no objects with fields. Look at it.")
    declared = [detection.fields[column].name for column in detection.lacking if column in detection.fields]
    instead = f" (declared as {', '.join(declared)}, which no record has)" if declared else ""
    return ContractError(
        f"the answer can't be mapped: none of its fields stands for {' or '.join(detection.lacking)}{instead}. "
        f"Of its first {detection.records} records have a value: {_counted(detection)}. Write into defs.yaml which "
        f"fields they are, for example `fields: {{{_example(detection)}}}`, then normalize the partition again; it has "
        "landed."
    )


def vanished(names: Sequence[str], records: int) -> ContractError:
    """The error of an answer in which a declared field never appears."""
    return ContractError(
        f"none of the answer's {records} records has {', '.join(names)}, which `fields` in defs.yaml declares. Correct "
        "it, or take it out if the vendor no longer sends it; then normalize the partition again; it has landed."
    )


def unparted(name: str, records: str) -> ContractError:
    """The error of an answer in which the declared array of events never appears."""
    return ContractError(
        f"none of the answer's {records} has an array {name}, which `events` in defs.yaml declares. Correct it, or "
        "take it out if the records are events themselves; then normalize the partition again; it has landed."
    )


def no_array(error: NoRecordsError, settings: MappingSettings) -> ContractError:
    """The error of an answer in which the records can't be found."""
    if settings.records:
        return ContractError(
            f"the answer {error}. `records` in defs.yaml declares {settings.records}: correct it, or take it out, so "
            "that they are looked for; then normalize the partition again; it has landed."
        )
    return ContractError(
        f"the answer {error}. Records are looked for in a top-level array, in the only array of objects, or under "
        f"{', '.join(ARRAYS)}. Write into defs.yaml where they are, for example `records: data.rows`, then normalize "
        "the partition again; it has landed."
    )


def _counted(detection: Detection) -> str:
    by_count = sorted(detection.counts.items(), key=lambda item: -item[1])
    plain_names = [(name, count) for name, count in by_count if is_tellable(name)]
    told = [f"{name} ({count})" for name, count in plain_names[:_MOST_NAMES]]
    others = len(by_count) - len(told)
    return ", ".join([*told, *([f"and {others} more names"] if others else [])])


def _example(detection: Detection) -> str:
    free = [name for name in detection.counts if name in detection.scalars and is_tellable(name)]
    return ", ".join(f"{column}: {_likely(free, _HINTS[column])}" for column in detection.lacking)


def _likely(names: Iterable[str], hints: Sequence[str]) -> str:
    names = list(names)
    fitting = (name for hint in hints for name in names if hint in plain(name.rpartition(".")[2]))
    return next(fitting, names[0] if names else "its_name")
