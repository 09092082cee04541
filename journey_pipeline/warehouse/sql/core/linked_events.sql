-- Events that marts leave out, because an event of another stream stands for them: both tell of the same thing.
-- Grain: one row per event left out.
-- Key: event_key.
-- Made: a view.
--
-- event_key: The event that is left out; core.journey_events has it.
-- counted_event_key: The event that stands for it; the least key where several do.
-- occurred_on: The UTC day of the event that is left out.
select
    event_key,
    twin_key as counted_event_key,
    occurred_on
from internal.links
where not is_of_twin
    and twin_key is not null
