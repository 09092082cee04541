-- Which step follows which: as the vendor lists it, and as events name the next step.
-- Grain: one row per version of a journey and pair of steps.
-- Key: connection, journey_id, activity_id, next_activity_id.
-- Made: as a whole.
--
-- connection: The configured account.
-- journey_id: The version of the journey.
-- activity_id: The step.
-- next_activity_id: The step that may follow it.
-- is_listed: Whether the vendor lists this way.
with ways as (
    select
        connection,
        journey_id,
        activity_id,
        unnest(from_json(outcomes, '["json"]')) ->> '$.next' as next_key
    from internal.activities
),

links as (
    select
        ways.connection,
        ways.journey_id,
        ways.activity_id,
        following.activity_id as next_activity_id,
        true as is_listed
    from ways
    join internal.activities as following
        on following.connection = ways.connection
        and following.journey_id = ways.journey_id
        and following.activity_key = ways.next_key
    union all
    select
        connection,
        journey_id,
        activity_id,
        next_activity_id,
        false as is_listed
    from internal.names_by_day
    where journey_id is not null
        and activity_id is not null
        and next_activity_id is not null
)

select
    connection,
    journey_id,
    activity_id,
    next_activity_id,
    bool_or(is_listed) as is_listed
from links
group by all
