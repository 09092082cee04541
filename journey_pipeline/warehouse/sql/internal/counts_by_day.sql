-- Events and people per day, journey, step, channel and action, without names. Only what marts count.
-- Grain: one row per day, connection, journey, step, channel and action.
-- Key: occurred_on, connection, journey_id, activity_id, channel, action.
-- Made: by occurred_on, connection.
--
-- occurred_on: The UTC day.
-- connection: The configured account.
-- journey_id: The journey, or NULL.
-- activity_id: The step, or NULL.
-- channel: The channel.
-- action: What happened.
-- events: Number of events.
-- contacts: Number of different people.
with by_person as (
    select
        occurred_on,
        connection,
        journey_id,
        activity_id,
        channel,
        action,
        contact_id,
        count(*) as events
    from core.counted_events
    group by all
)
select
    occurred_on,
    connection,
    journey_id,
    activity_id,
    channel,
    action,
    sum(events)::bigint as events,
    count(contact_id) as contacts
from by_person
group by all
