-- Events that marts leave out, because another stream reports the same event.
-- Grain: one row per event left out.
-- Key: event_key.
-- Made: a view.
--
-- event_key: The event that is left out; core.journey_events has it.
-- counted_event_key: The event that marts count in its place; the least key if there are several.
-- occurred_on: The UTC day of the event that is left out.
select
    event_key,
    twin_key as counted_event_key,
    occurred_on
from internal.links
where not is_of_twin
    and twin_key is not null
