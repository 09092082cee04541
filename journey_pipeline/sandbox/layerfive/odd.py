"""Odd records: text that breaks readers, fields of another type or none, times and persons that can't be read.

Not here: an ordinary record (`records.py`), other shapes of the whole answer (`document.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from journey_pipeline.sandbox.layerfive.options import LayerFiveOptions

_TEXT = 'quote " and \\" and \\, break\r\nand\ttab, }],[{ 🛒 \u2028 éßж مرحبا \x1b'
_ALWAYS = frozenset({"individual_id", "event_time"})


def make_odd(record: dict[str, Any], luck: int, options: LayerFiveOptions) -> dict[str, Any]:
    """A record as it is or, one in so many, odd in one of the ways that the options name."""
    chance = luck >> 20
    if chance % options.odd_one_in:
        return record
    kind = options.odd[chance // options.odd_one_in % len(options.odd)]
    return _ODD[kind](dict(record), options)


def _with(**fields: Any) -> Callable[[dict[str, Any], LayerFiveOptions], dict[str, Any]]:
    return lambda record, _: record | fields


def _without(*names: str) -> Callable[[dict[str, Any], LayerFiveOptions], dict[str, Any]]:
    return lambda record, _: {name: value for name, value in record.items() if name not in names}


def _big_value(record: dict[str, Any], options: LayerFiveOptions) -> dict[str, Any]:
    return record | {"page_url": "https://shop.example/?q=" + "é" * (options.big_value_bytes // 2)}


def _numbers_as_strings(record: dict[str, Any], _: LayerFiveOptions) -> dict[str, Any]:
    return record | {"revenue": f"{record.get('revenue') or 0:.2f}", "quantity": "007"}


def _missing(record: dict[str, Any], _: LayerFiveOptions) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name in _ALWAYS}


_ODD: dict[str, Callable[[dict[str, Any], LayerFiveOptions], dict[str, Any]]] = {
    "text": _with(campaign=_TEXT, **{'a "name"\n': "its value"}),
    "nul": _with(campaign="before\x00after"),
    "big_value": _big_value,
    "number_as_string": _numbers_as_strings,
    "null": _with(email=None, channel=None, source=None, medium=None, campaign=None, event_type=None),
    "missing": _missing,
    "impossible_time": _with(event_time="2026-02-30T25:61:00Z"),
    "no_time": _without("event_time"),
    "no_person": _without("individual_id", "email", "known_since", "visitor_id"),
    "nested": _with(device={"type": "mobile", "screen": [390, 844], "os": {"name": "ios", "beta": None}}),
}
