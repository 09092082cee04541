"""What no decent account has: profiles and events that break careless readers, and made-up ones by the million.

All of it is a function of the day, so that windows of any length add up. Not here: where it stands in a file
(`profiles.py`, `email_file.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from journey_pipeline.sandbox.apsis.events import Span

DAY_MS = 86_400_000
_YEAR_2000_MS = 946_684_800_000
_LONG_TEXT_CHARS = 1_000_000

BULK_DATA = (
    '{"url":"https://shop.example/shoes/winter/?q={x}&page=2","referrer":"https://news.example/a/long/way/down?utm=1",'
    '"title":"Winter shoes, \\"warm\\" ones åäö","seconds":12,"device":{"class":"MOBILE","os":"Other","w":[390,844]},'
    '"activityId":"ea-bulk","activityName":"Bulk"}'
)

# As they stand in the file.
HOSTILE_KEYS: tuple[str, ...] = (
    r'"xk-\"quoted\""',
    r'"xk-\\"',
    r'"xk-{[,:]}"',
    r'"xk-\u00e5\ud83d\ude9a"',
    '"xk-ö🚚 שלום"',
    r'"xk-a\u0000b"',
    r'"xk-tab\tand\nline"',
)
_DATA: tuple[str, ...] = (
    r'{"text":"escaped \"quotes\", \\ and \/, \\\" at the end\\"}',
    r'{"braces":"}}}],{[{\":\"","]":"[","profiles":{"xk-0":{"sections":{}}}}',
    r'{"escapes":"\u00e5\u0041\n\t\b\f\r\u2028","surrogates":"\ud83d\ude9a"}',
    r'{"nul":"a\u0000b","":"an empty name"}',
    '{"raw":"åäö 🚚 שלום \u2028","text":"1,\'2\'; drop"}',
    '{"edges":[9223372036854775807,-9223372036854775808,18446744073709551616,1e308,-0.0,0.1,1E-7,-1e+2]}',
    '{"activityId":4711,"automationId":12345678901234567890,"nodeName":true,"automationName":null}',
    '{"events":[{"correlationId":"c-1:0","typeId":"1","createdAt":1}],"sections":{"1234":{"events":[]}}}',
    '{ "spaced" :\t[ 1 , 2 ] , "same" : 1 , "same" : 2 }',
    "{}",
    "null",
    "[]",
    '"text"',
    "[" * 60 + "]" * 60,
)
_LONG = f'{{"long":"{"x" * (_LONG_TEXT_CHARS - 2)}åä"}}'


class OddEvent(NamedTuple):
    """An event of an odd profile; `is_listed` says whether the definitions know its type's version."""

    created_ms: int
    stated_ms: int
    is_listed: bool
    correlation_id: str | int | None
    data: str


def hostile_events(place: int, span: Span) -> Iterator[OddEvent]:
    """The events of the hostile profile at a place among `HOSTILE_KEYS`: its share of each day's."""
    for day_ms in _days(span):
        texts = [*_DATA, _LONG] if place == 0 else _DATA
        for number, data in enumerate(texts):
            at = day_ms + (place * len(_DATA) + number) * 600_000
            stated = (at - 50, _YEAR_2000_MS, _YEAR_2000_MS - 1, 0)[number % 4]
            # The same event twice and without an id: two events.
            copies = 2 if number % 5 == 0 else 1
            correlation = (None, f"h-{place}-{at}", place * DAY_MS + at, f'h"{at}\\')[number % 4] if copies == 1 else ""
            for _ in range(copies):
                yield OddEvent(at, stated, number % 3 > 0, correlation, data)


def bulk_times(span: Span, a_day: int) -> Iterator[int]:
    """When made-up events of a span are received, evenly over each day; milliseconds since 1970."""
    for day_ms in _days(span):
        for number in range(a_day):
            at = day_ms + number * DAY_MS // a_day
            if at > span.asked_ms or at >= span.end_ms:
                return
            if at >= span.start_ms:
                yield at


def _days(span: Span) -> range:
    return range(span.start_ms // DAY_MS * DAY_MS, span.end_ms, DAY_MS)
