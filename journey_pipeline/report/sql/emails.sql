-- E-mails, by the UTC day of sending between the days chosen, with rates of their sums
select
    coalesce(any_value(activity_name), message_id) as email,
    variation,
    sum(sent)::bigint as sent,
    sum(failed + suppressed)::bigint as not_sent,
    sum(delivered)::bigint as delivered,
    sum(opened)::bigint as opened,
    sum(clicked)::bigint as clicked,
    sum(bounced_hard + bounced_soft + bounced_unknown)::bigint as bounced,
    sum(unsubscribed)::bigint as unsubscribed,
    sum(complained)::bigint as complained,
    round(100 * sum(opened) / nullif(sum(delivered), 0), 1)::double as open_percent,
    round(100 * sum(clicked) / nullif(sum(opened), 0), 1)::double as click_to_open_percent,
    round(100 * sum(bounced_hard + bounced_soft + bounced_unknown) / nullif(sum(sent), 0), 1)::double as bounce_percent,
    bool_and(is_ripe) as is_ripe
from marts.email_performance
where connection = {connection}
    and journey_root_id = {root}
    and sent_on >= {first}::date
    and sent_on < {last}::date
group by message_id, activity_id, variation
order by sent desc, email, variation
