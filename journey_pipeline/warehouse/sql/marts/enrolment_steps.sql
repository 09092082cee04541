-- Steps of enrolments in order: all events of an enrolment, apart from enters, exits, refusals and what people did with
-- messages. In one instant enters come first, then steps by step_rank, then exits and goals. Tests are left out.
-- Grain: one row per visit of a step.
-- Key: connection, enrolment_id, step_number.
-- Made: a view.
--
-- connection: The configured account.
-- enrolment_id: The enrolment, as in marts.journey_enrolments.
-- step_number: From 1 in each enrolment.
-- journey_root_id: The journey, the same for all its versions.
-- journey_id: The journey's version; where the vendor has none the journey.
-- entered_on: The UTC day of the enrolment's entry, or else of its first event.
-- is_let_in: Whether its entry is known and it was not refused: funnels and transitions hold only such.
-- activity_id: The step; NULL for LayerFive, which has none.
-- step_key: The step's key, the same in all versions of the journey; see core.activities.
-- activity_name: The step's name, from core.activities. Insider has it only with an analytics key.
-- activity_type: The step's type, from core.activities.
-- channel: The channel.
-- action: What happened.
-- outcome: The step's outcome, in the vendor's words; NULL if it tells none.
-- occurred_at: When it happened, UTC.
-- seconds_before: Since the step before or else the entry; NULL at a first step whose entry is not known.
-- seconds_in: Since the entry; NULL if that is not known.
-- previous_activity_id: The step before; NULL at the first.
-- next_activity_id: The step after; NULL at the last.
-- status: At the last step the enrolment's status; NULL before it.
-- event_key: The event in core.journey_events.
select
    steps.connection,
    case
        when steps.enrolment_id is null
            then concat_ws('|', steps.contact_id, steps.journey_id, epoch_ms(steps.first_event_at)::varchar)
        when shared.enrolment_id is null then steps.enrolment_id
        else concat_ws('|', steps.enrolment_id, steps.contact_id, steps.journey_id)
    end as enrolment_id,
    steps.step_number,
    roots.journey_root_id,
    steps.journey_id,
    timezone('UTC', coalesce(steps.entered_at, steps.first_event_at))::date as entered_on,
    steps.is_let_in,
    steps.activity_id,
    coalesce(activities.step_key, steps.activity_id) as step_key,
    activities.activity_name,
    activities.activity_type,
    steps.channel,
    steps.action,
    steps.outcome,
    steps.occurred_at,
    steps.microseconds_before / 1e6 as seconds_before,
    (epoch_us(steps.occurred_at) - epoch_us(steps.entered_at)) / 1e6 as seconds_in,
    steps.previous_activity_id,
    steps.next_activity_id,
    steps.status,
    steps.event_key
from internal.passage_steps as steps
join internal.journey_roots as roots using (connection, journey_id)
left join core.activities using (connection, activity_id)
left join internal.shared_numbers as shared
    on steps.connection = shared.connection
    and steps.enrolment_id = shared.enrolment_id
where steps.step_number is not null
    and not roots.is_test
