"""Records that are persons with their events inside: each event, with the person's fields beside it.

One level, as the contract says. Not here: finding the records in an answer (`formats/`), their fields (`mapping.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

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
        record: As parsed.
        name: As `nested_name` gave it for the answer.
    """
    if name is None or not isinstance(record, dict) or name not in record:
        return [record]
    events = record[name]
    if events is None:
        return []
    if not isinstance(events, list):
        return [record]
    person = {key: value for key, value in record.items() if key != name}
    return [_merged(event, person) if isinstance(event, dict) else event for event in events]


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
