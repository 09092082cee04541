-- One row for each version of each attribute and tag of a section. Key: section, attribute_id (the id that files carry).
with listed as (
    select
        unnest(from_json(body -> '$.items', '["json"]')) as item,
        body ->> '$.section' as section,
        body ->> '$.kind' = 'tags' as is_tag,
        seen_at
    from pages
    where body ->> '$.kind' in ('attributes', 'tags')
),

versions as (
    select
        *,
        unnest(coalesce(from_json(item -> '$.versions', '["json"]'), []::json[]) || [item]) as listed_version
    from listed
)

select
    section,
    coalesce(listed_version ->> '$.version_id', listed_version ->> '$.id') as attribute_id,
    item ->> '$.discriminator' as attribute,
    nullif(item ->> '$.name', '') as attribute_name,
    is_tag,
    item ->> '$.type' as value_type,
    item ->> '$.description' as description,
    seen_at
from versions
where coalesce(listed_version ->> '$.version_id', listed_version ->> '$.id') is not null
