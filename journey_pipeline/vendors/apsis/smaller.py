"""How an order that was too large becomes smaller ones: less time, then fewer sections, then fewer types of events.

The vendor advises to ask for less (D1, D2); the order of the steps is assumed. Together the parts make up the whole.
Not here: when an export counts as too large (the sources), what becomes of its parts (`exports/`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from journey_pipeline.model import Window
from journey_pipeline.vendors.exports import Wanted

SHORTEST_WINDOW = timedelta(hours=1)


def smaller_orders(wanted: Wanted) -> Sequence[Wanted]:
    """The same in smaller orders, disjoint and complete; none if it can't be made smaller."""
    if wanted.window.duration >= 2 * SHORTEST_WINDOW:
        return [Wanted(half, wanted.request) for half in _halves(wanted.window)]
    sections = wanted.request["sections"]
    return by_section(wanted) if len(sections) > 1 else _with_sections(wanted, _fewer_types(sections[0]))


def by_section(wanted: Wanted) -> Sequence[Wanted]:
    """The same with one section in each."""
    return _with_sections(wanted, wanted.request["sections"])


def _with_sections(wanted: Wanted, sections: Sequence[Mapping[str, Any]]) -> Sequence[Wanted]:
    return [Wanted(wanted.window, {**wanted.request, "sections": [section]}) for section in sections]


def _halves(window: Window) -> tuple[Window, Window]:
    """Cut at a whole hour, so that every part ends up as long as the shortest window."""
    middle = window.start + window.duration // SHORTEST_WINDOW // 2 * SHORTEST_WINDOW
    return Window(window.start, middle), Window(middle, window.end)


def _fewer_types(section: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    types = section.get("event_types", [])
    middle = len(types) // 2
    return [{**section, "event_types": half} for half in (types[:middle], types[middle:])] if middle else []
