-- One row for each section of the account. Key: section_id, as files name it.
with listed as (
    select
        unnest(from_json(body -> '$.items', '["json"]')) as item,
        seen_at
    from pages
    where body ->> '$.kind' = 'sections'
)

select
    coalesce(item ->> '$.version_id', item ->> '$.id', item ->> '$.discriminator') as section_id,
    item ->> '$.discriminator' as section,
    nullif(item ->> '$.name', '') as section_name,
    item as properties,
    seen_at
from listed
where item ->> '$.discriminator' is not null
