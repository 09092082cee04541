-- One row for each topic of a section's consent lists. Key: section, topic.
with listed as (
    select
        unnest(from_json(body -> '$.items', '["json"]')) as item,
        body ->> '$.section' as section,
        seen_at
    from pages
    where body ->> '$.kind' = 'topics'
)

select
    section,
    item ->> '$.discriminator' as topic,
    nullif(item ->> '$.name', '') as topic_name,
    item ->> '$.description' as description,
    seen_at
from listed
where item ->> '$.discriminator' is not null
