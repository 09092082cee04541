-- E-mail events of APSIS One.
-- Grain: one record of an e-mail event export, which is one event of one e-mail.
-- Key: e-mail, type and correlation id, which a retry repeats; without a correlation id what the event says of itself,
-- requested attributes left out, which are those of the day of asking.
-- Times are milliseconds, or a rendered date; before the year 2000 the source knew none, and the server's time counts.
select
  coalesce(event_at, server_at) as occurred_at,
  case when event_at is not null then 'event_time' else 'server_time' end as occurred_at_source,
  server_at as received_at,
  address as contact_id,
  lower(address) as email,
  activity_id as journey_id,
  activity_name as journey_name,
  null as journey_version,
  null as enrolment_id,
  coalesce(split_id, activity_id) as activity_id,
  coalesce(split_activity_name, activity_name) as activity_name,
  'email' as activity_type,
  null as next_activity_id,
  activity_id as message_id,
  'email' as channel,
  coalesce(email_types(lower(type)).action, 'other') as action,
  type as vendor_action,
  bounce.outcome as outcome,
  case when bounce_code is not null then coalesce(bounce.reason, 'unknown bounce code') end as reason,
  bounce_code as reason_code,
  false as is_test,
  -- A time that occurred_at and received_at don't show stays as text.
  case
    when device is null and location is null and event_at is not null and server_at is not null then properties
    else json_merge_patch(
      properties,
      json_object(
        'device_class', device_classes(lower(device)).device_class,
        'country', case when regexp_matches(location, '^[A-Za-z]{2}([^A-Za-z]|$)') then upper(location[:2]) end,
        'event_time', case when event_at is null then event_time end,
        'server_time', case when server_at is null then server_time end
      )
    )
  end as properties,
  lineage,
  case
    when correlation_id is not null then [activity_id, type, correlation_id]
    else [
      activity_id,
      split_id,
      address,
      type,
      event_time,
      server_time,
      variation,
      device,
      location,
      link_id,
      link_url,
      bounce_code,
      unsubscribe_topic,
      abuse_section
    ]
  end as key_fields,
  correlation_id is null as key_is_content,
  case
    when event_at is not null or server_at is not null then null
    when coalesce(server_time, event_time) is null then 'no time'
    else 'unreadable time'
  end as reject_reason
from (
  select
    *,
    -- The ranges of the table are those of four digits.
    bounce_codes(case when regexp_matches(bounce_code, '^[0-9]{4}$') then bounce_code end) as bounce,
    case
      when try_cast(event_time as bigint) between 946684800000 and 253402300799999
        then believable(make_timestamp(try_cast(event_time as bigint) * 1000)::timestamptz)
      when strlen(event_time) >= 19 and try_cast(event_time as bigint) is null
        and try_cast(event_time as timestamptz) >= '2000-01-01 00:00:00+00'::timestamptz
        then believable(try_cast(event_time as timestamptz))
    end as event_at,
    case
      when try_cast(server_time as bigint) between 946684800000 and 253402300799999
        then believable(make_timestamp(try_cast(server_time as bigint) * 1000)::timestamptz)
      when strlen(server_time) >= 19 and try_cast(server_time as bigint) is null
        and try_cast(server_time as timestamptz) >= '2000-01-01 00:00:00+00'::timestamptz
        then believable(try_cast(server_time as timestamptz))
    end as server_at
  from landing
)
