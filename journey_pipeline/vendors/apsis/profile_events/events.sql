-- Events of profiles of APSIS One.
-- Grain: one event of a profile in one section.
-- Key: section, type and correlation id, which a retry repeats; without a correlation id all that the event says.
-- The reader gives the type's discriminator, which the file does not hold, and journey and step out of `data`.
-- Times are milliseconds; before the year 2000 the source knew none, and only the server's time is known.
select
  coalesce(source_at, created_at_read) as occurred_at,
  case when source_at is not null then 'sourceEventTime' else 'createdAt' end as occurred_at_source,
  created_at_read as received_at,
  profile_key as contact_id,
  lower(email) as email,
  journey_id,
  journey_name,
  null as journey_version,
  null as enrolment_id,
  activity_id,
  activity_name,
  activity_type,
  null as next_activity_id,
  case when kind.channel in ('email', 'sms') then activity_id end as message_id,
  coalesce(kind.channel, 'other') as channel,
  coalesce(kind.action, 'other') as action,
  case when event_type is not null then split_part(event_type, '.', -1) end as vendor_action,
  null as outcome,
  null as reason,
  null as reason_code,
  false as is_test,
  properties,
  lineage,
  case
    when correlation_id is not null then [section_id, type_id, correlation_id]
    else [section_id, profile_key, type_id, source_event_time, created_at, content]
  end as key_fields,
  correlation_id is null as key_is_content,
  case
    when source_at is not null or created_at_read is not null then null
    when coalesce(created_at, source_event_time) is null then 'no time'
    else 'unreadable time'
  end as reject_reason
from (
  select
    *,
    coalesce(event_type, concat('unknown:', type_id)) as activity_type,
    event_types(lower(event_type)) as kind,
    case
      when try_cast(source_event_time as bigint) between 946684800000 and 253402300799999
        then believable(make_timestamp(try_cast(source_event_time as bigint) * 1000)::timestamptz)
      when strlen(source_event_time) >= 19 and try_cast(source_event_time as bigint) is null
        and try_cast(source_event_time as timestamptz) >= '2000-01-01 00:00:00+00'::timestamptz
        then believable(try_cast(source_event_time as timestamptz))
    end as source_at,
    case
      when try_cast(created_at as bigint) between 946684800000 and 253402300799999
        then believable(make_timestamp(try_cast(created_at as bigint) * 1000)::timestamptz)
      when strlen(created_at) >= 19 and try_cast(created_at as bigint) is null
        and try_cast(created_at as timestamptz) >= '2000-01-01 00:00:00+00'::timestamptz
        then believable(try_cast(created_at as timestamptz))
    end as created_at_read
  from landing
)
