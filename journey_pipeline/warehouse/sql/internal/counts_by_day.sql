-- Events and people per day, journey, step, channel and action, without names. Tests are left out, and linked events.
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
    from core.journey_events
    anti join (
        select event_key
        from internal.links
        where not is_of_twin
            and twin_key is not null
    ) using (event_key)
    where is_test is not true
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
