-- Journey history of Salesforce Marketing Cloud.
-- Grain: one row of history, which is one contact at one step of one version of a journey.
-- Key: Id; where that is blank, the fields that say who was where and when, whatever columns were downloaded.
-- Every time is UTC unless it carries an offset. A step is handed over, not delivered: nothing here opens or clicks.
select
  coalesce(transaction_at, epoch_at) as occurred_at,
  case when transaction_at is not null then 'TransactionTime' else 'EpochTimeInMilliseconds' end as occurred_at_source,
  created_at as received_at,
  ContactKey as contact_id,
  null as email,
  lower(DefinitionId) as journey_id,
  DefinitionName as journey_name,
  null as journey_version,
  lower(DefinitionInstanceId) as enrolment_id,
  lower(ActivityId) as activity_id,
  ActivityName as activity_name,
  lower(ActivityType) as activity_type,
  lower(OutcomeActivityId) as next_activity_id,
  case when step.complete = 'send' then lower(ActivityId) end as message_id,
  coalesce(step.channel, 'other') as channel,
  case lower(Status)
    when 'complete' then coalesce(step.complete, 'other')
    when 'failed' then
      case
        when step.channel = 'email' and suppress_codes(lower(regexp_extract(entry, 'ErrorCode:([^;]*)', 1))) is not null
          then 'suppress'
        else coalesce(step.failed, 'fail')
      end
    else coalesce(step.otherwise, 'other')
  end as action,
  Status as vendor_action,
  coalesce("Result.Outcome", "Result.Status") as outcome,
  coalesce(nullif(regexp_extract(entry, ';Message:(.*?)(?:;Parameters:\[|$)', 1, 's'), ''), Message) as reason,
  nullif(regexp_extract(string_split(entry, ';Message:')[1], 'ErrorCode:([^;]*)', 1), '') as reason_code,
  false as is_test,
  -- What could not be read as a time, or holds more than a timestamp keeps, stays as text.
  case
    when (TransactionTime is not null and (transaction_at is null or strlen(TransactionTime) > 26))
      or (CreatedDate is not null and (created_at is null or strlen(CreatedDate) > 26))
      then json_merge_patch(properties, json_object('transaction_time', TransactionTime, 'created_date', CreatedDate))
    else properties
  end as properties,
  lineage,
  case
    when has_id then [Id]
    else [
      ContactKey,
      epoch_us(occurred_at)::varchar,
      lower(DefinitionId),
      lower(ActivityId),
      lower(ActivityType),
      Status,
      DefinitionName,
      ActivityName
    ]
  end as key_fields,
  not has_id as key_is_content,
  case
    when occurred_at is not null then null
    when TransactionTime is null then 'no time'
    else 'unreadable time'
  end as reject_reason
from (
  select
    *,
    Id is not null and (not starts_with(Id, ' ') or trim(Id) <> '') as has_id,
    -- A date alone, or a word such as infinity, is no time.
    case when strlen(TransactionTime) >= 19 then believable(try_cast(TransactionTime as timestamptz)) end
      as transaction_at,
    case when strlen(CreatedDate) >= 19 then believable(try_cast(CreatedDate as timestamptz)) end as created_at,
    case
      when try_cast(EpochTimeInMilliseconds as bigint) between 1 and 253402300799999
        then believable(epoch_ms(try_cast(EpochTimeInMilliseconds as bigint))::timestamptz)
    end as epoch_at,
    activity_types(lower(ActivityType)) as step,
    -- The last entry of level Error, else the last entry. Only `|Type:` parts entries: a message may hold a bar.
    case
      when "Result.Messages" is not null
        then coalesce(
          list_filter(
            string_split("Result.Messages", '|Type:'),
            lambda each: contains(concat(';', string_split(each, ';Message:')[1], ';'), ';Level:Error;')
          )[-1],
          string_split("Result.Messages", '|Type:')[-1]
        )
    end as entry
  from landing
)
