-- One row for each event that the account has. Key: section, type_id (the system name). An account has no sections.
with listed as (
    select
        unnest(from_json(body -> '$.items', '["json"]')) as item,
        seen_at
    from pages
    where body ->> '$.kind' = 'events'
)

select
    '' as section,
    item ->> '$.key' as type_id,
    item ->> '$.key' as event_type,
    nullif(item ->> '$.display_name', '') as event_name,
    null::varchar as description,
    item -> '$.params' as data_schema,
    seen_at
from listed
where item ->> '$.key' is not null
