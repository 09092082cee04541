-- The events of each passage of a person through a journey, in order; see marts.enrolment_steps.
-- Left out: tests, what people did with a message (see marts.messages), and messages outside of journeys.
-- Grain: one row per event.
-- Key: event_key.
-- Made: by connection, journey_id, contact_id, enrolment_id.
-- Beside: internal.step_places by connection, journey_id.
-- Lives: internal.passages.
-- Number: passage_number of connection, journey_id, contact_id, enrolment_id.
--
-- connection: The configured account.
-- journey_id: The journey; for Salesforce one version.
-- contact_id: The person.
-- enrolment_id: The passage as the vendor numbers it; NULL where it does not, and enters cut a person's events.
-- first_event_at: Of the passage, UTC: with the person and the journey this tells apart passages without a number.
-- entered_at: Time of the passage's first enter; NULL if that was before the history.
-- is_let_in: Whether the passage's entry is known and was not refused: funnels count only such.
-- occurred_at: When it happened, UTC.
-- activity_id: The step.
-- channel: The channel.
-- action: What happened.
-- outcome: The step's outcome.
-- step_number: From 1 in each passage; NULL for a row that says that the passage begins or ends.
-- previous_activity_id: The step before; NULL at the first.
-- next_activity_id: The step after; NULL at the last.
-- microseconds_before: Since the step before, or else since the passage was entered; NULL if neither is known.
-- is_last_visit: Whether the passage comes to this step no more; NULL for a row that is no step.
-- was_done: At the last visit: whether the step was done at any of them.
-- has_failed: At the last visit: whether it failed or was held back at any of them.
-- status: At the last step, or else at the first row: what became of the passage, see marts.journey_enrolments.
-- end_reason: Beside it: why.
-- named_activity_id: Beside it: the step that the vendor named as the next.
-- event_key: The event.
-- passage_number: Hash of connection, journey_id, contact_id and enrolment_id.
-- Not materialized: the two readers below share no rows, and keeping all of them costs a sixth of the whole.
with told as not materialized (
    select
        events.connection,
        events.journey_id,
        events.contact_id,
        events.enrolment_id,
        events.occurred_at,
        events.activity_id,
        events.channel,
        events.action,
        events.outcome,
        events.next_activity_id as named_activity_id,
        events.event_key,
        action = 'skip' and channel = 'journey' as is_refusal,
        -- An enter first: what else is told of its instant belongs to the passage that it begins.
        case
            when action = 'enter' then 0
            when is_refusal then 1
            when action in ('exit', 'convert') then 3
            else 2
        end as phase,
        coalesce(places.step_rank, 0) as rank,
        places.is_end,
        action not in ('enter', 'exit') and not is_refusal as is_step,
        case
            when action = 'convert' then 'converted'
            when events.activity_type = 'exitcriteriaactivity' then 'exited'
            when action = 'exit' and reason in ('exit_criteria', 'dropped') then 'exited'
            when action = 'exit' or places.is_end or coalesce(following.is_end, false) then 'finished'
            when action in ('fail', 'suppress') then 'failed'
            else 'open'
        end as status_after,
        case
            when status_after in ('converted', 'exited') then coalesce(events.activity_name, events.reason)
            when action in ('fail', 'suppress', 'skip') then coalesce(events.reason_code, events.vendor_action)
        end as end_reason_after,
        hash(events.connection, events.journey_id, events.contact_id, events.enrolment_id) as passage_number
    from core.journey_events as events
    left join internal.step_places as places using (connection, journey_id, activity_id)
    left join internal.step_places as following
        on events.connection = following.connection
        and events.journey_id = following.journey_id
        and events.next_activity_id = following.activity_id
    where events.journey_id is not null
        and (events.contact_id is not null or events.enrolment_id is not null)
        and events.is_test is not true
        and events.message_id is distinct from events.journey_id
        and (
            events.activity_id is null
            or events.action not in (
                'deliver', 'open', 'click', 'reply', 'bounce', 'unsubscribe', 'complain', 'visit'
            )
        )
),
cut as (
    select
        *,
        passage_number as passage
    from told
    where enrolment_id is not null
    union all
    -- Where the vendor numbers no passages, one begins at each enter but those that come at once after another.
    select
        * exclude (begins),
        hash(
            passage_number,
            sum(begins::bigint) over (
                partition by passage_number
                order by occurred_at, phase, rank, activity_id, event_key
                rows unbounded preceding
            )
        ) as passage
    from (
        select
            *,
            action = 'enter' and coalesce(
                occurred_at > max(occurred_at) filter (action = 'enter') over (
                    partition by passage_number
                    order by occurred_at, phase, rank, activity_id, event_key
                    rows between unbounded preceding and 1 preceding
                ) + interval 60 seconds,
                true
            ) as begins
        from told
        where enrolment_id is null
    )
),
ordered as (
    select
        *,
        row_number() over walk as place,
        count(*) filter (is_step) over walk as step_number,
        lag(case when is_step then activity_id end ignore nulls) over walk as previous_activity_id,
        lead(case when is_step then activity_id end ignore nulls) over walk as next_activity_id,
        lag(case when is_step then occurred_at end ignore nulls) over walk as previous_at,
        hash(activity_id) as step
    from cut
    window walk as (
        partition by passage order by occurred_at, phase, rank, activity_id, event_key rows unbounded preceding
    )
),
whole as (
    select
        passage,
        count(*) filter (is_step) as steps,
        min(occurred_at) as first_event_at,
        min(occurred_at) filter (action = 'enter') as entered_at,
        bool_or(is_refusal) as is_refused,
        max_by(
            {'status': status_after, 'end_reason': end_reason_after, 'named_activity_id': named_activity_id}, place
        ) as last
    from ordered
    group by all
),
visits as (
    select
        passage,
        step,
        max(place) as place,
        bool_or(action not in ('fail', 'suppress')) as was_done,
        bool_or(action in ('fail', 'suppress')) as has_failed
    from ordered
    where is_step
    group by all
)
select
    ordered.connection,
    ordered.journey_id,
    ordered.contact_id,
    ordered.enrolment_id,
    whole.first_event_at,
    whole.entered_at,
    whole.entered_at is not null and not whole.is_refused as is_let_in,
    ordered.occurred_at,
    ordered.activity_id,
    ordered.channel,
    ordered.action,
    ordered.outcome,
    case when is_step then step_number end as step_number,
    case when is_step then previous_activity_id end as previous_activity_id,
    case when is_step then next_activity_id end as next_activity_id,
    case when is_step then epoch_us(occurred_at) - epoch_us(coalesce(previous_at, whole.entered_at)) end
        as microseconds_before,
    case when is_step then visits.place is not null end as is_last_visit,
    visits.was_done,
    visits.has_failed,
    case
        when (is_step and step_number = whole.steps) or (whole.steps = 0 and ordered.place = 1)
            then case when whole.is_refused then 'refused' else whole.last.status end
    end as status,
    case when status is not null and status <> 'open' then whole.last.end_reason end as end_reason,
    case when status is not null then whole.last.named_activity_id end as named_activity_id,
    ordered.event_key,
    ordered.passage_number
from ordered
join whole using (passage)
left join visits using (passage, step, place)
order by first_event_at, passage, ordered.place
