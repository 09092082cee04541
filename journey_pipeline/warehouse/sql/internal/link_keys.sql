-- Events that a stream and its twin may both report. An event without a value of the property is never a twin's event.
-- Grain: one row per event and pair of streams.
-- Key: link_key, event_key.
-- Made: by occurred_on, connection.
--
-- link_key: The same for events that are one: a hash of streams, value and action.
-- event_key: The event.
-- occurred_on: Its UTC day.
-- connection: The configured account.
-- stream: The stream of the pair whose events marts leave out.
-- is_of_twin: Whether it is the twin's event.
with told as (
    select
        events.event_key,
        events.occurred_on,
        events.action,
        events.stream = pairs.twin_stream as is_of_twin,
        json_extract_string(events.properties, pairs.property) as value,
        pairs
    from core.journey_events as events
    join internal.linked_streams as pairs
        on events.connection = pairs.connection
        and events.channel = pairs.channel
        and events.stream in (pairs.stream, pairs.twin_stream)
)
select
    unhex(md5(concat(to_json(pairs), to_json([action, value]))))::uuid as link_key,
    event_key,
    occurred_on,
    pairs.connection as connection,
    pairs.stream as stream,
    is_of_twin
from told
where value <> ''
