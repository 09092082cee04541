-- One row for each version of each event type of a section. Key: section, type_id (the id that events carry).
with listed as (
    select
        unnest(from_json(body -> '$.items', '["json"]')) as item,
        body ->> '$.section' as section,
        seen_at
    from pages
    where body ->> '$.kind' = 'events'
),

versions as (
    select
        *,
        unnest(coalesce(from_json(item -> '$.versions', '["json"]'), []::json[]) || [item]) as listed_version
    from listed
)

select
    section,
    coalesce(listed_version ->> '$.version_id', listed_version ->> '$.id') as type_id,
    item ->> '$.discriminator' as event_type,
    nullif(item ->> '$.name', '') as event_name,
    item ->> '$.description' as description,
    listed_version -> '$.schema' as data_schema,
    seen_at
from versions
where coalesce(listed_version ->> '$.version_id', listed_version ->> '$.id') is not null
