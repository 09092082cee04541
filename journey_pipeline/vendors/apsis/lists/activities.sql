-- One row for each e-mail activity that the account lists, as the one step of itself. Key: activity_id.
-- Groups of a split test are not listed; events name them.
with listed as (
    select
        unnest(from_json(body -> '$.items', '["json"]')) as item,
        body ->> '$.section' as section,
        seen_at
    from pages
    where body ->> '$.kind' = 'activities'
)

select
    coalesce(item ->> '$.id', item ->> '$.activity_id') as activity_id,
    coalesce(item ->> '$.id', item ->> '$.activity_id') as journey_id,
    item ->> '$.discriminator' as activity_key,
    nullif(item ->> '$.name', '') as activity_name,
    'email' as activity_type,
    null::json as outcomes,
    json_merge_patch(item, json_object('section', section)) as properties,
    seen_at
from listed
where coalesce(item ->> '$.id', item ->> '$.activity_id') is not null
