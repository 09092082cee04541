-- All known steps of journeys: those that the vendor lists, and those that only events name.
-- Grain: one row per step of a connection.
-- Key: connection, activity_id.
-- Made: as a whole.
--
-- connection: The configured account.
-- activity_id: The step, as in events.
-- journey_id: Its journey in the vendor's list, or else in the latest event.
-- activity_key: The vendor's key of the step inside its journey.
-- activity_name: Its name in the vendor's list, or else in the latest event.
-- activity_type: Its type in the latest event, lower case; NULL if no event is of it.
-- listed_type: Its type in the vendor's list, which may be another word for the same.
-- outcomes: The next steps, as the vendor lists them.
-- listed_properties: Every other field that the vendor lists.
-- step_key: Alike in all versions: activity_key; if unlisted, that of its name and type in its root; else its own id.
-- step_rank: The longest way to it through the graph of its version, from 0; NULL for a step outside of it.
-- is_end: Whether a passage is over there; NULL where the vendor does not list its ways on.
-- first_seen_at: When the vendor first listed it to us, UTC; NULL if it never did.
-- last_seen_at: When the vendor last listed it to us, UTC; NULL if it never did.
-- name_source: Source of activity_name: vendor (list) or events (latest event); NULL if it has no name.
with named as (
    select
        connection,
        activity_id,
        max({'last_at': last_at, 'journey_id': journey_id}) filter (journey_id is not null) as latest_journey,
        max({'last_at': last_at, 'activity_name': activity_name}) filter (activity_name is not null) as latest,
        max({'last_at': last_at, 'activity_type': activity_type}) filter (activity_type is not null) as latest_type
    from internal.names_by_day
    where activity_id is not null
    group by all
),

steps as (
    select
        connection,
        activity_id,
        coalesce(listed.journey_id, named.latest_journey.journey_id) as journey_id,
        coalesce(listed.activity_name, named.latest.activity_name) as activity_name,
        named.latest_type.activity_type as activity_type,
        listed,
        listed.activity_id is not null as is_listed,
        named.latest.activity_name as told_name
    from internal.activities as listed
    full join named using (connection, activity_id)
),

rooted as (
    select
        steps.*,
        journeys.journey_root_id
    from steps
    left join core.journeys as journeys using (connection, journey_id)
),

same_step as (
    select
        connection,
        journey_root_id,
        activity_name,
        activity_type,
        min(listed.activity_key) as step_key
    from rooted
    where listed.activity_key is not null
    group by all
    having min(listed.activity_key) = max(listed.activity_key)
)

select
    connection,
    activity_id,
    journey_id,
    listed.activity_key as activity_key,
    activity_name,
    activity_type,
    listed.activity_type as listed_type,
    listed.outcomes as outcomes,
    listed.listed_properties as listed_properties,
    coalesce(listed.activity_key, same_step.step_key, activity_id) as step_key,
    places.step_rank,
    places.is_end,
    listed.first_seen_at as first_seen_at,
    listed.last_seen_at as last_seen_at,
    case
        when listed.activity_name is not null then 'vendor'
        when told_name is not null then 'events'
    end as name_source
from rooted
left join same_step using (connection, journey_root_id, activity_name, activity_type)
left join internal.step_places as places using (connection, journey_id, activity_id)
