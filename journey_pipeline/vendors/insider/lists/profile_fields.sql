-- One row for each attribute that the account has. Key: section, attribute_id (the API's name). There are no sections.
with listed as (
    select
        unnest(from_json(body -> '$.items', '["json"]')) as item,
        seen_at
    from pages
    where body ->> '$.kind' = 'contacts'
)

select
    '' as section,
    item ->> '$.key' as attribute_id,
    item ->> '$.key' as attribute,
    nullif(item ->> '$.display_name', '') as attribute_name,
    false as is_tag,
    item ->> '$.type' as value_type,
    null::varchar as description,
    seen_at
from listed
where item ->> '$.key' is not null
