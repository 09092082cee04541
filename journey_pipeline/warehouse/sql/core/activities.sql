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
-- activity_type: Its type in the vendor's list, or else in the latest event.
-- outcomes: The next steps, as the vendor lists them.
-- properties: Every other field that the vendor lists.
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
