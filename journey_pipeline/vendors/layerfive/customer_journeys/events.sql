-- Customer journeys of LayerFive.
-- Grain: one record of an answer, which is one thing that a known person did, or one touchpoint of a nested person.
-- Key: the content: contact, time, action and the whole record; or the event id where the connection says it is unique.
-- The columns of `landing` are what the reader made of the connection's fields. Both code tables tell by what a text
-- contains; the first of their rules that fits decides.
select
  occurred_at,
  case when is_date then concat(occurred_at_field, ' (date alone)') else occurred_at_field end as occurred_at_source,
  null as received_at,
  contact_id,
  email,
  -- A campaign that has no id goes by its name.
  coalesce(journey_id, journey_name) as journey_id,
  journey_name,
  null as journey_version,
  null as enrolment_id,
  activity_id,
  activity_name,
  null as activity_type,
  null as next_activity_id,
  null as message_id,
  channel,
  -- A bounced e-mail came back; whoever bounced from a page had visited it.
  case
    when rule <> 'bounce' or channel = 'email' or contains(lower(vendor_action), 'email') then rule
    else 'visit'
  end as action,
  vendor_action,
  null as outcome,
  null as reason,
  null as reason_code,
  false as is_test,
  properties,
  lineage,
  case
    when event_id is not null then [event_id]
    else [contact_id, epoch_us(occurred_at)::varchar, vendor_action, md5(content)]
  end as key_fields,
  event_id is null as key_is_content,
  case
    when occurred_at is null and time_text is null then 'no time'
    when occurred_at is null then 'unreadable time'
    when contact_id is null then 'no person'
  end as reject_reason
from (
  select
    * exclude (channel, occurred_at),
    believable(read_at) as occurred_at,
    case
      when channel is not null then coalesce(channels(lower(channel)).channel, 'other')
      when page is not null or rule = 'visit' then 'web'
      else 'other'
    end as channel
  from (
    select
      *,
      coalesce(actions(lower(vendor_action)).action, 'other') as rule,
      strlen(time_text) = 10 and read_at is not null and epoch_number is null as is_date
    from (
      select
        * exclude (vendor_action),
        coalesce(vendor_action, case when page is not null then 'visit' else 'other' end) as vendor_action,
        case
          -- Seconds, milliseconds or microseconds, each from 1973 on: a smaller number is no time but a mistake.
          when epoch_number >= 1e8 and epoch_number < 1e11 then make_timestamp((epoch_number * 1e6)::bigint)::timestamptz
          when epoch_number >= 1e11 and epoch_number < 1e14 then make_timestamp((epoch_number * 1e3)::bigint)::timestamptz
          when epoch_number >= 1e14 and epoch_number < 1e17 then make_timestamp(epoch_number::bigint)::timestamptz
          -- Anything shorter than a date, or a word such as infinity, is no time.
          when strlen(time_text) < 10 or not regexp_matches(time_text, '^[0-9]') then null
          when regexp_matches(substr(time_text, 12), '[A-Z+-]') then try_cast(time_text as timestamptz)
          else believable(try_cast(time_text as timestamp)) at time zone '{timezone}'
        end as read_at
      from (
        select
          *,
          try_cast(time_text as double) as epoch_number
        from (
          select
            *,
            -- ISO 8601 allows a decimal comma and small letters; a blank before the offset is common.
            regexp_replace(replace(upper(trim(occurred_at)), ',', '.'), ' +([+-])', '\1') as time_text
          from landing
        )
      )
    )
  )
)
