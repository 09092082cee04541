-- One row for each e-mail activity that the account lists: here the e-mail is the journey. Key: journey_id.
with listed as (
    select
        unnest(from_json(body -> '$.items', '["json"]')) as item,
        body ->> '$.section' as section,
        seen_at
    from pages
    where body ->> '$.kind' = 'activities'
)

select
    coalesce(item ->> '$.id', item ->> '$.activity_id') as journey_id,
    null::varchar as journey_root_id,
    item ->> '$.discriminator' as journey_key,
    nullif(item ->> '$.name', '') as journey_name,
    item ->> '$.description' as description,
    null::bigint as version,
    item ->> '$.status' as status,
    'email' as definition_type,
    'email' as channel,
    try_cast(item ->> '$.created_at' as timestamptz)::timestamp as created_at,
    try_cast(item ->> '$.updated_at' as timestamptz)::timestamp as modified_at,
    try_cast(item ->> '$.sent_at' as timestamptz)::timestamp as published_at,
    json_merge_patch(item, json_object('section', section)) as properties,
    seen_at
from listed
where coalesce(item ->> '$.id', item ->> '$.activity_id') is not null
