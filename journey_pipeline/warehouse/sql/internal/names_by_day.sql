-- When each name of a journey and a step was last used on a day, and each next step last named, so that the latest
-- names and the ways between steps need no look at all events.
-- Grain: one row per day, connection and combination of journey and step attributes that occurred.
-- Key: occurred_on, connection, journey_id, journey_name, journey_version, activity_id, activity_name, activity_type, next_activity_id.
-- Made: by occurred_on, connection.
--
-- occurred_on: The UTC day.
-- connection: The configured account.
-- journey_id: The journey, or NULL.
-- journey_name: The journey's name as the events carried it.
-- journey_version: The journey's version as the events carried it.
-- activity_id: The step, or NULL.
-- activity_name: The step's name as the events carried it.
-- activity_type: The vendor's type of the step.
-- next_activity_id: The step that comes next, or NULL.
-- last_at: The latest event of the day that carried exactly these, UTC.
select
    occurred_on,
    connection,
    journey_id,
    journey_name,
    journey_version,
    activity_id,
    activity_name,
    activity_type,
    next_activity_id,
    max(occurred_at) as last_at
from core.journey_events
where journey_id is not null
    or activity_id is not null
group by all
