-- User events of Insider: journeys entered and left, messages of journeys, and other events that were asked for.
-- Grain: one row of an export, which is one event of one profile.
-- Key: the kind of event and not its spelling, profile, journey, campaign, channel, action and time; of any other event
-- its name and all its parameters. Attributes of the profile are those of the day of asking, and never in it.
-- Numbers may come as 5756.0; from 16 digits on they stay so, because a float of 2^53 and more is rounded.
-- Times are text in UTC, or seconds or milliseconds since 1970.
select
  happened_at as occurred_at,
  'timestamp' as occurred_at_source,
  null::timestamptz as received_at,
  iid as contact_id,
  case when not contains(a_email, '*') then lower(a_email) end as email,
  journey_code as journey_id,
  case when kind in ('enter', 'exit') then coalesce(e_journey_campaign_name, e_name) else e_journey_campaign_name end
    as journey_name,
  null as journey_version,
  null as enrolment_id,
  case when kind = 'exit' then nullif(split_part(e_event_code, ':', 2), '') else campaign_code end as activity_id,
  null as activity_name,
  coalesce(known_channel.activity_type, lower(channel_code)) as activity_type,
  null as next_activity_id,
  case when kind not in ('enter', 'exit') then campaign_code end as message_id,
  case
    when kind in ('enter', 'exit') then 'journey'
    when channel_code is null and kind is null then null
    else coalesce(known_channel.channel, 'other')
  end as channel,
  coalesce(known_action.action, 'other') as action,
  case
    when known_action is not null then known_action.vendor_action
    when action_code is not null then 'UNKNOWN_' || action_code
    else event_name
  end as vendor_action,
  null as outcome,
  e_reason as reason,
  null as reason_code,
  coalesce(lower(e_is_dry_run) in ('1', '1.0', 'true'), false) as is_test,
  case
    when action_code is null and (e_name is null or kind in ('enter', 'exit')) then properties
    else json_merge_patch(
      properties,
      json_object('e_action_code', action_code, 'e_name', case when kind in ('enter', 'exit') then null else e_name end)
    )
  end as properties,
  lineage,
  case
    when kind is not null
      then [kind, iid, journey_code, campaign_code, channel_code, action_code, epoch_us(happened_at)::varchar]
    else list_concat(
      [
        event_name,
        iid,
        journey_code,
        campaign_code,
        channel_code,
        action_code,
        epoch_us(happened_at)::varchar,
        e_name,
        e_journey_campaign_name,
        e_reason,
        e_event_code
      ],
      list_transform(
        list_sort(list_filter(map_entries(properties::map(varchar, varchar)), lambda one: starts_with(one.key, 'e_'))),
        lambda one: one.key || '=' || regexp_replace(one.value, '^(-?[0-9]+)[.]0+$', '\1')
      )
    )
  end as key_fields,
  false as key_is_content,
  case
    when iid is null then 'no iid'
    when event_name is null then 'no event name'
    when e_timestamp is null then 'no time'
    when happened_at is null then 'unreadable time'
  end as reject_reason
from (
  select
    *,
    channels(lower(channel_code)) as known_channel,
    case
      when kind in ('enter', 'exit') then actions(kind)
      when action_code is not null then actions(concat(lower(channel_code), ':', action_code))
    end as known_action
  from (
    select
      *,
      kinds(lower(event_name)).kind as kind,
      regexp_replace(e_journey_id, '^([1-8]?[0-9]{1,15})[.]0+$', '\1') as journey_code,
      regexp_replace(e_campaign_id, '^([1-8]?[0-9]{1,15})[.]0+$', '\1') as campaign_code,
      regexp_replace(e_action_code, '^([0-9]+)[.]0+$', '\1') as action_code,
      upper(trim(e_channel_code)) as channel_code,
      case
        when regexp_full_match(e_timestamp, '[0-9]{9,10}([.]0+)?')
          then make_timestamp(try_cast(try_cast(e_timestamp as double) as bigint) * 1000000)::timestamptz
        when regexp_full_match(e_timestamp, '[0-9]{12,13}([.]0+)?')
          then make_timestamp(try_cast(try_cast(e_timestamp as double) as bigint) * 1000)::timestamptz
        when regexp_matches(e_timestamp, '^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}')
          then try_cast(e_timestamp as timestamptz)
      end as happened_at
    from landing
  )
)
