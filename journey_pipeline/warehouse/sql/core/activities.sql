-- Every step of a journey known: as the vendor lists it, and those that only events name.
-- Grain: one row per step of a connection.
-- Key: connection, activity_id.
-- Made: as a whole.
--
-- connection: The configured account.
-- activity_id: The step, as events refer to it.
-- journey_id: The journey that it belongs to: the vendor's word, or else the latest event's.
-- activity_key: The key that the vendor gives it inside its journey.
-- activity_name: Its name: the vendor's, or else the one that the latest event carried.
-- activity_type: Its type: the vendor's, or else the one that the latest event carried.
-- outcomes: Where the journey can go on from here, as the vendor lists it.
-- properties: Every other field that the vendor lists.
-- first_seen_at: When the vendor first listed it to us, UTC; NULL if it never did.
-- last_seen_at: When the vendor last listed it to us, UTC; NULL if it never did.
-- name_source: Where activity_name is from: vendor (listed) or events (the latest event's); NULL if it has no name.
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
)
select
    connection,
    activity_id,
    coalesce(listed.journey_id, named.latest_journey.journey_id) as journey_id,
    listed.activity_key,
    coalesce(listed.activity_name, named.latest.activity_name) as activity_name,
    coalesce(listed.activity_type, named.latest_type.activity_type) as activity_type,
    listed.outcomes,
    listed.properties,
    listed.first_seen_at,
    listed.last_seen_at,
    case
        when listed.activity_name is not null then 'vendor'
        when named.latest.activity_name is not null then 'events'
    end as name_source
from internal.activities as listed
full join named using (connection, activity_id)
