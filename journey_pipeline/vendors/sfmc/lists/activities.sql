-- One row for each step, and each way in, of each listed version of a journey. Key: activity_id.
-- The types here are not those of the history (WAIT here, waitactivity there): join by id, keep both.
with listed as (
    select
        unnest(from_json(body -> '$.items', '["json"]')) as journey,
        seen_at
    from pages
),

steps as (
    select
        lower(journey ->> '$.definitionId') as journey_id,
        unnest(
            coalesce(from_json(journey -> '$.activities', '["json"]'), []::json[])
            || coalesce(from_json(journey -> '$.triggers', '["json"]'), []::json[])
        ) as step,
        seen_at
    from listed
)

select
    lower(step ->> '$.id') as activity_id,
    journey_id,
    step ->> '$.key' as activity_key,
    nullif(step ->> '$.name', '') as activity_name,
    step ->> '$.type' as activity_type,
    step -> '$.outcomes' as outcomes,
    json_merge_patch(step, '{"outcomes": null}') as properties,
    seen_at
from steps
where step ->> '$.id' is not null
