"""Records as parsed JSON, leniently: what a program anywhere may have written is read, and no digit is lost.

Not here: cutting an answer into records (`formats/`), what is in them (`mapping.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec

from journey_pipeline.vendors.layerfive.mapping import Detection, MappingSettings
from journey_pipeline.vendors.layerfive.nesting import nested_name, unfolded

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

    def nested_name(self) -> str | None:
        """The name under which the records hold their events, None if they are events themselves."""
        return nested_name(self.values())

    def detection(self, settings: MappingSettings) -> Detection:
        """Which of the events' fields is which."""
        nested = self.nested_name()
        events = (event for value in self.values() for event in unfolded(value, nested))
        return Detection(settings, (event for event in events if isinstance(event, dict)))


def parsed_or_none(record: bytes) -> Any:
    """A record's value, None if it can't be read."""
    try:
        return parsed(record)
    except ValueError:
        return None
