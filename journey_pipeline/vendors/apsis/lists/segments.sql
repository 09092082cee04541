-- One row for each segment of the account. Key: segment.
with listed as (
    select
        unnest(from_json(body -> '$.items', '["json"]')) as item,
        seen_at
    from pages
    where body ->> '$.kind' = 'segments'
)

select
    item ->> '$.discriminator' as segment,
    nullif(item ->> '$.name', '') as segment_name,
    item ->> '$.description' as description,
    seen_at
from listed
where item ->> '$.discriminator' is not null
