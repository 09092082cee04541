-- One row for each journey that a page of the journey list holds. Key: journey_id.
-- Ids are numbers; times are text in UTC.
with listed as (
    select
        unnest(from_json(body -> '$.items', '["json"]')) as journey,
        seen_at
    from pages
    where body ->> '$.kind' = 'journeys'
)

select
    regexp_replace(journey ->> '$.journeyId', '[.]0+$', '') as journey_id,
    regexp_replace(journey ->> '$.parentJourneyId', '[.]0+$', '') as journey_root_id,
    null::varchar as journey_key,
    nullif(journey ->> '$.journeyName', '') as journey_name,
    journey ->> '$.description' as description,
    null::bigint as version,
    journey ->> '$.status' as status,
    journey ->> '$.starterType' as definition_type,
    null::varchar as channel,
    believable(try_cast(journey ->> '$.createdAt' as timestamptz)::timestamp) as created_at,
    null::timestamp as modified_at,
    believable(try_cast(journey ->> '$.startDate' as timestamptz)::timestamp) as published_at,
    json_merge_patch(journey, '{"campaigns": null}') as properties,
    seen_at
from listed
where journey ->> '$.journeyId' is not null
