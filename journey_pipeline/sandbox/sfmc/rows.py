"""From an event of the world to a row of journey history: the 25 columns, as text and as lines of CSV or TSV.

Two ways on purpose: `row` for people and tests, `line_writer` for millions; a test holds them together. Not here:
which rows and columns are asked for (`query.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache

from journey_pipeline.sandbox.world.catalog import guid_text
from journey_pipeline.sandbox.world.failures import CONTACT
from journey_pipeline.sandbox.world.people import contact_key
from journey_pipeline.sandbox.world.routes import Happening
from journey_pipeline.sandbox.world.world import HOUR_MS, Event, instant

# In the order of the vendor's page; the eight that come without `columns` have their own, also the page's.
COLUMNS: tuple[str, ...] = (
    "Id",
    "TransactionTime",
    "EpochTimeInMilliseconds",
    "CreatedDate",
    "StartDate",
    "EndDate",
    "ContactKey",
    "Status",
    "ClientStatus",
    "DefinitionId",
    "DefinitionName",
    "DefinitionInstanceId",
    "ActivityId",
    "ActivityName",
    "ActivityType",
    "OutcomeActivityId",
    "EventId",
    "EventName",
    "EntrySource",
    "SourceType",
    "Message",
    "Result.Status",
    "Result.Outcome",
    "Result.Tags",
    "Result.Messages",
)
DEFAULT_COLUMNS: tuple[str, ...] = (
    "TransactionTime",
    "ContactKey",
    "Status",
    "DefinitionId",
    "DefinitionName",
    "ActivityId",
    "ActivityName",
    "ActivityType",
)

# What differs from row to row of the same happening, by its place among `_values`.
_VARYING = {
    "Id": "{0}",
    "TransactionTime": "{1}",
    "EpochTimeInMilliseconds": "{2}",
    "CreatedDate": "{3}",
    "ContactKey": "{4}",
    "DefinitionInstanceId": "{5}",
}
_CONTACT_FIELD, _START_FIELD = "{4}", "{6}"
_ESCAPED_CONTACT = f"{{{CONTACT}}}"


def row(event: Event, *, mutated: bool = False, odd_messages: tuple[str, ...] = ()) -> dict[str, str]:
    """All columns of an event's row, in the vendor's text form.

    Args:
        event: An event of the world.
        mutated: As the option `mutate` shows it.
        odd_messages: As the option of this name has them.
    """
    values = _values(event)
    cells = _cells(event.happening, mutated=mutated and mutates(event), odd=_odd_message(event, odd_messages))
    return {column: cell.format(*values) for column, cell in cells.items()}


def mutates(event: Event) -> bool:
    """Whether the option `mutate` changes the event's row: one in 16 does, by its id."""
    return not event.number >> 8 & 15


def line_writer(
    columns: tuple[str, ...],
    *,
    delimiter: str,
    line_end: str,
    extra: bool,
    mutate: bool,
    odd_messages: tuple[str, ...] = (),
) -> Callable[[Event], str]:
    """A function that writes an event as a line of the given columns, minimally quoted as RFC 4180 says."""

    @cache
    def template(happening: Happening, mutated: bool, odd: str | None) -> str:  # noqa: FBT001 - a key of the cache
        cells = _cells(happening, mutated=mutated, odd=odd)
        texts = [quoted(cells[column], delimiter) for column in columns]
        return delimiter.join([*texts, "x"] if extra else texts) + line_end

    def write(event: Event) -> str:
        odd = _odd_message(event, odd_messages)
        return template(event.happening, mutate and mutates(event), odd).format(*_values(event))

    return write


def quoted(text: str, delimiter: str) -> str:
    """A cell of CSV: bare, or in quotes where it holds the delimiter, a quote or a line break."""
    if any(mark in text for mark in (delimiter, '"', "\n", "\r")):
        return '"' + text.replace('"', '""') + '"'
    return text


def stamp(ms: int) -> str:
    """Milliseconds since 1970 as the vendor writes a time: `2026-11-20T09:58:11.204Z`."""
    seconds, millis = divmod(ms, 1000)
    return f"{_seconds(seconds)}.{millis:03d}Z"


@lru_cache(maxsize=16_384)
def _seconds(seconds: int) -> str:
    return instant(seconds * 1000).strftime("%Y-%m-%dT%H:%M:%S")


def _values(event: Event) -> tuple[str, str, int, str, str, str, str]:
    occurred_ms = event.occurred_ms
    waited_h = event.happening.waited_h
    return (
        guid_text(event.number),
        stamp(occurred_ms),
        occurred_ms,
        stamp(event.visible_ms),
        contact_key(event.person_number),
        guid_text(event.passage),
        stamp(occurred_ms - waited_h * HOUR_MS) if waited_h else "",
    )


def _odd_message(event: Event, messages: tuple[str, ...]) -> str | None:
    return messages[(event.number >> 24) % len(messages)] if messages and not event.number >> 16 & 3 else None


def _cells(happening: Happening, *, mutated: bool, odd: str | None) -> dict[str, str]:
    """The columns as format strings: what is the same in all rows of a happening stands there already."""
    journey, activity, failure = happening.journey, happening.activity, happening.failure
    status = "Failed" if mutated and happening.status == "Complete" else happening.status
    fixed = {
        "Status": status,
        "ClientStatus": status,
        "DefinitionId": happening.version.definition_id,
        "DefinitionName": journey.name,
        "ActivityId": activity.id,
        "ActivityName": activity.name,
        "ActivityType": activity.type,
        "OutcomeActivityId": happening.next_activity.id if happening.next_activity else "",
        "EventId": journey.event_id,
        "EventName": journey.event_name,
        "EntrySource": journey.entry_source,
        "SourceType": "Event" if journey.entry_source == "APIEvent" else "Audience",
        "Message": odd if odd is not None else failure.message if failure else "",
        "Result.Status": "Failed" if failure else "Passed",
        "Result.Outcome": happening.outcome,
        "Result.Tags": "",
        "Result.Messages": failure.messages if failure else "",
    }
    cells = {column: _escaped(text) for column, text in fixed.items()}
    waits = {"StartDate": _START_FIELD, "EndDate": "{1}"} if happening.waited_h else {"StartDate": "", "EndDate": ""}
    cells |= _VARYING | waits
    return {column: cells[column] for column in COLUMNS}


def _escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}").replace(_ESCAPED_CONTACT, _CONTACT_FIELD)
