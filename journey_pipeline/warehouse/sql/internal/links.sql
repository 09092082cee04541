-- Which events of a stream and its twin are the same one.
-- Grain: one row per event and pair of streams.
-- Key: link_key, event_key.
-- Made: by link_key.
--
-- link_key: The same for events that are one.
-- event_key: The event.
-- occurred_on: Its UTC day.
-- connection: The configured account.
-- stream: The stream of the pair whose events marts leave out.
-- is_of_twin: Whether it is the twin's event.
-- is_in_stream: Whether the stream tells of it.
-- twin_key: The twin's event that stands for it, the least key where several do; NULL where the twin lacks it.
select
    link_key,
    event_key,
    occurred_on,
    connection,
    stream,
    is_of_twin,
    bool_or(not is_of_twin) over same as is_in_stream,
    min(event_key) filter (where is_of_twin) over same as twin_key
from internal.link_keys
window same as (partition by link_key)
