-- What becomes of the rows of internal.counts_by_day that the changed events touch.
-- A person counts once however many events a group has of them: so each changed person of a group is looked up.
with people as (
    select
        occurred_on,
        connection,
        journey_id,
        activity_id,
        channel,
        action,
        contact_id,
        sum(change)::bigint as change
    from changed
    where is_test is not true
        and not is_left_out
    group by all
    having sum(change) <> 0
),

found as (
    select
        people.*,
        count(events.event_key) filter (linked.event_key is null) as present
    from people
    left join core.journey_events as events
        on events.contact_id = people.contact_id
        and events.occurred_on = people.occurred_on
        and events.connection is not distinct from people.connection
        and events.journey_id is not distinct from people.journey_id
        and events.activity_id is not distinct from people.activity_id
        and events.channel is not distinct from people.channel
        and events.action is not distinct from people.action
        and events.occurred_on between $first_day and $last_day
        and events.is_test is not true
    left join core.linked_events as linked
        on linked.event_key = events.event_key
        and linked.occurred_on between $first_day and $last_day
    group by all
),

moved as (
    select
        occurred_on,
        connection,
        journey_id,
        activity_id,
        channel,
        action,
        sum(change) as events,
        count(contact_id) filter (present > 0) - count(contact_id) filter (present > change) as contacts
    from found
    group by all
)

select
    before.rowid as place,
    moved.occurred_on,
    moved.connection,
    moved.journey_id,
    moved.activity_id,
    moved.channel,
    moved.action,
    (coalesce(before.events, 0) + moved.events)::bigint as events,
    (coalesce(before.contacts, 0) + moved.contacts)::bigint as contacts,
    coalesce(before.events, 0) + moved.events = 0 as is_gone
from moved
left join internal.counts_by_day as before
    on before.occurred_on = moved.occurred_on
    and before.connection is not distinct from moved.connection
    and before.journey_id is not distinct from moved.journey_id
    and before.activity_id is not distinct from moved.activity_id
    and before.channel is not distinct from moved.channel
    and before.action is not distinct from moved.action
