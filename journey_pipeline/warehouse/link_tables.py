"""The tables about events that two streams tell of: which streams, which events, and how far the two agree.

Not here: when they change (`relink.py`), which streams tell of the same events (the vendors' recipes).
"""

from __future__ import annotations

from journey_pipeline.model import Column
from journey_pipeline.warehouse.table import Table

_STREAM = (
    Column("connection", "VARCHAR", "The configured account."),
    Column("stream", "VARCHAR", "The stream whose events marts leave out where its twin tells of them too."),
)

LINKED_STREAMS = Table(
    "internal.linked_streams",
    "Streams whose events another stream of the connection may tell of as well, as the lake's manifests say. "
    "Key: connection, stream.",
    (
        *_STREAM,
        Column("twin_stream", "VARCHAR", "The other one; it has no twin itself."),
        Column("property", "VARCHAR", "The property that has the same value in both."),
        Column("channel", "VARCHAR", "The channel of the events that both tell of."),
    ),
)
LINK_KEYS = Table(
    "internal.link_keys",
    "Events that a stream and its twin may both tell of. Key: link_key, event_key.",
    (
        Column("link_key", "UUID", "The same for events that are one: a hash of streams, value and action."),
        Column("event_key", "UUID", "The event."),
        Column("occurred_on", "DATE", "Its UTC day."),
        *_STREAM,
        Column("is_of_twin", "BOOLEAN", "Whether it is the twin's event."),
    ),
)
LINKED_EVENTS = Table(
    "core.linked_events",
    "Events that marts leave out, because an event of another stream stands for them: both tell of the same thing. "
    "Grain: one row per event left out. Key: event_key.",
    (
        Column("event_key", "UUID", "The event that is left out; core.journey_events has it."),
        Column("counted_event_key", "UUID", "The event that stands for it; the least key where several do."),
        Column("occurred_on", "DATE", "The UTC day of the event that is left out."),
    ),
)
AGREEMENT = Table(
    "ops.agreement",
    "How far two streams agree that tell of the same events; only events that carry what links them. "
    "Grain: one row per UTC day and pair of streams of a connection. Key: occurred_on, connection, stream.",
    (
        Column("occurred_on", "DATE", "The UTC day on which the events happened."),
        *_STREAM,
        Column("twin_stream", "VARCHAR", "The stream in which marts count what both tell of."),
        Column("in_both", "BIGINT", "Events of the twin that the stream tells of too."),
        Column("only_in_stream", "BIGINT", "Events of the stream that the twin lacks; marts count them as well."),
        Column("only_in_twin", "BIGINT", "Events of the twin that the stream lacks."),
    ),
)
LINK_TABLES = (LINKED_STREAMS, LINK_KEYS, LINKED_EVENTS, AGREEMENT)
