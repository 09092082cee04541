-- Events and people per day, journey, step, channel and action, without names. Tests are left out, and linked events.
-- Grain: one row per day, connection, journey, step, channel and action.
-- Key: occurred_on, connection, journey_id, activity_id, channel, action.
--
-- occurred_on: The UTC day.
-- connection: The configured account.
-- journey_id: The journey, or NULL.
-- activity_id: The step, or NULL.
-- channel: The channel.
-- action: What happened.
-- events: How many events.
-- contacts: How many different people they happened to.
select
    occurred_on,
    connection,
    journey_id,
    activity_id,
    channel,
    action,
    count(*) as events,
    count(distinct contact_id) as contacts
from core.journey_events
anti join (
    select event_key
    from core.linked_events
    where occurred_on between $first_day and $last_day
) using (event_key)
where occurred_on between $first_day and $last_day
    and is_test is not true
group by all
