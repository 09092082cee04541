-- Enrolments: one passage of one person through one version of a journey. Tests are left out.
-- Salesforce numbers them. Elsewhere (APSIS, Insider, LayerFive) an enter begins one, unless it comes within 60 s after
-- another. What a person did before the first known enter is an enrolment of unknown entry.
-- A number that the vendor gave to several people or versions has contact and journey after it, with | between.
-- What people did with messages (open, click, ...) is no part of them: see marts.messages.
-- One with a refused entry (a skip) is refused; it is finished if its last step, or the one named next, is an end.
-- Grain: one row per enrolment.
-- Key: connection, enrolment_id.
-- Made: a view.
--
-- connection: The configured account.
-- enrolment_id: The vendor's number in lower case, or else contact, journey and first millisecond, with | between.
-- journey_root_id: The journey, the same for all its versions.
-- journey_id: The journey's version; where the vendor has none the journey.
-- journey_version: The version's number; NULL where the vendor lists none, as all but Salesforce.
-- journey_name: Name of the journey's newest listed version, or else the latest event's.
-- contact_id: The vendor's key of the person.
-- enrolment_number: 1 for the person's first known enrolment in any version, 2 for a re-entry; NULL if refused.
-- entered_at: Time of its first enter, UTC; NULL if that was before the history. LayerFive tells of no entries.
-- entered_on: The UTC day of it, or else of its first event: the day under which all marts file it.
-- local_on: The day of the same in the time zone of reports (JOURNEY_PIPELINE_REPORT_TIMEZONE, or UTC).
-- entry_is_known: Whether entered_at is known; funnels and transitions hold only such.
-- first_event_at: Time of its first event, UTC.
-- last_event_at: Time of its last event, UTC.
-- status: By its last event: refused, converted (a goal), exited (criteria), failed (nothing after), finished or open.
-- ended_at: Time of its last event, UTC; NULL while open.
-- end_reason: The vendor's code of the failure, or the name of the criteria or goal; NULL if finished or open.
-- converted_at: Time of the first goal, UTC, even if it went on; NULL without one.
-- last_activity_id: Its last step; NULL if it had none.
-- next_activity_id: The step where it is now, if open and the vendor tells (Salesforce); NULL otherwise.
-- steps: Steps visited, each visit counted.
-- sends: Messages handed over.
-- failures: Steps that failed or were held back.
select
    passages.connection,
    case
        when passages.enrolment_id is null
            then concat_ws('|', passages.contact_id, passages.journey_id, epoch_ms(passages.first_event_at)::varchar)
        when shared.enrolment_id is null then passages.enrolment_id
        else concat_ws('|', passages.enrolment_id, passages.contact_id, passages.journey_id)
    end as enrolment_id,
    roots.journey_root_id,
    passages.journey_id,
    roots.journey_version,
    roots.journey_name,
    passages.contact_id,
    case when passages.status <> 'refused' then coalesce(reentries.enrolment_number, 1) end as enrolment_number,
    passages.entered_at,
    timezone('UTC', coalesce(passages.entered_at, passages.first_event_at))::date as entered_on,
    timezone((select timezone from internal.report_timezone), coalesce(passages.entered_at, passages.first_event_at))::date as local_on,
    passages.entered_at is not null as entry_is_known,
    passages.first_event_at,
    passages.last_event_at,
    passages.status,
    case when passages.status <> 'open' then passages.last_event_at end as ended_at,
    passages.end_reason,
    passages.converted_at,
    passages.last_activity_id,
    case when passages.status = 'open' then passages.named_activity_id end as next_activity_id,
    passages.steps,
    passages.sends,
    passages.failures
from internal.passages
join internal.journey_roots as roots using (connection, journey_id)
left join internal.shared_numbers as shared
    on passages.connection = shared.connection
    and passages.enrolment_id = shared.enrolment_id
-- With the root, so that a question of one journey looks up the re-entries of that one, not of all.
left join internal.reentries as reentries
    on passages.connection = reentries.connection
    and passages.journey_id = reentries.journey_id
    and passages.contact_id = reentries.contact_id
    and passages.enrolment_id is not distinct from reentries.enrolment_id
    and passages.first_event_at = reentries.first_event_at
    and roots.journey_root_id = reentries.journey_root_id
where not roots.is_test
