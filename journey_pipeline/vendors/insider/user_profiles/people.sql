select
  exported_at::timestamptz as occurred_at,
  'exported_at' as occurred_at_source,
  null as received_at,
  person as contact_id,
  null as email,
  null as journey_id,
  null as journey_name,
  null as journey_version,
  null as enrolment_id,
  null as activity_id,
  null as activity_name,
  null as activity_type,
  null as next_activity_id,
  null as message_id,
  'other' as channel,
  'other' as action,
  null as vendor_action,
  null as outcome,
  null as reason,
  null as reason_code,
  false as is_test,
  properties,
  lineage,
  [person] as key_fields,
  false as key_is_content,
  case
    when person is null then 'no identifier'
    when contains(person, '*') then 'masked identifier'
  end as reject_reason
from landing
