-- What becomes of the rows of internal.names_by_day that the changed events touch.
-- Only where the latest event of a row went, and none as late came, is the one before it looked up.
with moments as (
    select
        occurred_on,
        connection,
        journey_id,
        journey_name,
        journey_version,
        activity_id,
        activity_name,
        activity_type,
        occurred_at,
        sum(change) as change
    from changed
    where journey_id is not null or activity_id is not null
    group by all
    having sum(change) <> 0
),

moved as (
    select
        * exclude (occurred_at, change),
        max(occurred_at) filter (change > 0) as added_at,
        max(occurred_at) filter (change < 0) as taken_at
    from moments
    group by all
),

beside as materialized (
    select
        before.rowid as place,
        moved.*,
        before.last_at,
        coalesce(moved.taken_at >= before.last_at and coalesce(moved.added_at < before.last_at, true), false) as lost_last
    from moved
    left join internal.names_by_day as before
        on before.occurred_on = moved.occurred_on
        and before.connection is not distinct from moved.connection
        and before.journey_id is not distinct from moved.journey_id
        and before.journey_name is not distinct from moved.journey_name
        and before.journey_version is not distinct from moved.journey_version
        and before.activity_id is not distinct from moved.activity_id
        and before.activity_name is not distinct from moved.activity_name
        and before.activity_type is not distinct from moved.activity_type
),

remaining as (
    select
        lost.place,
        max(events.occurred_at) as last_at
    from core.journey_events as events
    join (from beside where lost_last) as lost
        on events.occurred_on = lost.occurred_on
        and events.connection is not distinct from lost.connection
        and events.journey_id is not distinct from lost.journey_id
        and events.journey_name is not distinct from lost.journey_name
        and events.journey_version is not distinct from lost.journey_version
        and events.activity_id is not distinct from lost.activity_id
        and events.activity_name is not distinct from lost.activity_name
        and events.activity_type is not distinct from lost.activity_type
    where events.occurred_on between $first_day and $last_day
    group by all
)

select
    place,
    beside.* exclude (place, added_at, taken_at, last_at, lost_last),
    case when lost_last then remaining.last_at else greatest(beside.last_at, added_at) end as last_at,
    lost_last and remaining.last_at is null as is_gone
from beside
left join remaining using (place)
where lost_last or beside.last_at is null or added_at > beside.last_at
