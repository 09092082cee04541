-- One row for each campaign of each listed journey: one element that sends through one channel. Key: activity_id.
-- The type is the channel's published name, as in events.
with listed as (
    select
        unnest(from_json(body -> '$.items', '["json"]')) as journey,
        seen_at
    from pages
    where body ->> '$.kind' = 'journeys'
),

campaigns as (
    select
        regexp_replace(journey ->> '$.journeyId', '[.]0+$', '') as journey_id,
        unnest(coalesce(from_json(journey -> '$.campaigns', '["json"]'), []::json[])) as campaign,
        seen_at
    from listed
)

select
    regexp_replace(campaign ->> '$.id', '[.]0+$', '') as activity_id,
    journey_id,
    null::varchar as activity_key,
    nullif(campaign ->> '$.name', '') as activity_name,
    campaign ->> '$.channel' as activity_type,
    null::json as outcomes,
    campaign as properties,
    seen_at
from campaigns
where campaign ->> '$.id' is not null
