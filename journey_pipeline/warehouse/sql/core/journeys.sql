-- All known journeys: those that the vendor lists, and those that only events name.
-- Grain: one row per journey of a connection; for Salesforce one version of a journey.
-- Key: connection, journey_id.
-- Made: as a whole.
--
-- connection: The configured account.
-- journey_id: The journey, flow or definition, as in events.
-- journey_root_id: The id that all versions of a journey share; the journey's own where there is none.
-- root_source: Source of journey_root_id: vendor (list); name (unlisted; one root alone lists its name); self (neither).
-- journey_key: The key that users of the vendor's UI gave it.
-- journey_name: The vendor's name, or else the name in the latest event.
-- description: Its description.
-- version: Its version number.
-- status: The vendor's status, such as Published or Stopped.
-- definition_type: The vendor's kind of journey.
-- channel: The vendor's channel.
-- created_at: When it was made, in the vendor's local time.
-- modified_at: When it was last changed, in the vendor's local time.
-- published_at: When it was last published, in the vendor's local time.
-- listed_properties: Every other field that the vendor lists.
-- first_seen_at: When the vendor first listed it to us, UTC; NULL if it never did.
-- last_seen_at: When the vendor last listed it to us, UTC; NULL if it never did.
-- is_test: Whether it is listed with another mode of execution than Production; marts leave its events out.
-- name_source: Source of journey_name: vendor (list) or events (latest event); NULL if it has no name.
with named as (
    select
        connection,
        journey_id,
        max({'last_at': last_at, 'journey_name': journey_name}) filter (journey_name is not null) as latest,
        max({'last_at': last_at, 'journey_version': journey_version}) filter (journey_version is not null) as latest_version
    from internal.names_by_day
    where journey_id is not null
    group by all
),

same_name as (
    select
        connection,
        journey_name,
        min(journey_root_id) as journey_root_id
    from internal.journeys
    where journey_root_id is not null
    group by all
    having min(journey_root_id) = max(journey_root_id)
)

select
    connection,
    journey_id,
    coalesce(
        listed.journey_root_id,
        case when listed.journey_id is null then same_name.journey_root_id end,
        journey_id
    ) as journey_root_id,
    case
        when listed.journey_root_id is not null then 'vendor'
        when listed.journey_id is null and same_name.journey_root_id is not null then 'name'
        else 'self'
    end as root_source,
    listed.journey_key,
    coalesce(listed.journey_name, named.latest.journey_name) as journey_name,
    listed.description,
    coalesce(listed.version, try_cast(named.latest_version.journey_version as bigint)) as version,
    listed.status,
    listed.definition_type,
    listed.channel,
    listed.created_at,
    listed.modified_at,
    listed.published_at,
    listed.listed_properties,
    listed.first_seen_at,
    listed.last_seen_at,
    tests.journey_id is not null as is_test,
    case
        when listed.journey_name is not null then 'vendor'
        when named.latest.journey_name is not null then 'events'
    end as name_source
from internal.journeys as listed
full join named using (connection, journey_id)
left join same_name
    on same_name.connection = connection
    and same_name.journey_name = named.latest.journey_name
left join internal.test_journeys as tests using (connection, journey_id)
