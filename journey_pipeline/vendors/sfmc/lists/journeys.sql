-- One row for each version of a journey that a page of the journey list holds. Key: journey_id.
-- Dates come without a zone and are local to the vendor; a journey never published says the year 1.
with listed as (
    select
        unnest(from_json(body -> '$.items', '["json"]')) as journey,
        seen_at
    from pages
)

select
    lower(journey ->> '$.definitionId') as journey_id,
    lower(journey ->> '$.id') as journey_root_id,
    journey ->> '$.key' as journey_key,
    journey ->> '$.name' as journey_name,
    journey ->> '$.description' as description,
    try_cast(journey ->> '$.version' as bigint) as version,
    journey ->> '$.status' as status,
    journey ->> '$.definitionType' as definition_type,
    journey ->> '$.channel' as channel,
    believable(try_cast(journey ->> '$.createdDate' as timestamp)) as created_at,
    believable(try_cast(journey ->> '$.modifiedDate' as timestamp)) as modified_at,
    believable(try_cast(journey ->> '$.lastPublishedDate' as timestamp)) as published_at,
    json_merge_patch(journey, '{"activities": null, "triggers": null}') as properties,
    seen_at
from listed
where journey ->> '$.definitionId' is not null
