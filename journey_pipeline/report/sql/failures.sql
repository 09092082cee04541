-- What failed, was held back or was refused, by the vendor's code; addresses are masked
select
    coalesce(reason_code, '') as code,
    action,
    coalesce(any_value(regexp_replace(reason, '\S+@\S+', '*', 'g')), '') as reason,
    count(*) as events
from core.journey_events
where connection = {connection}
    and journey_id in (
        select journey_id
        from core.journeys
        where connection = {connection}
            and journey_root_id = {root}
            and not is_test
    )
    and occurred_on >= {first}::date
    and occurred_on < {last}::date
    and action in ('fail', 'suppress', 'skip', 'bounce')
    and not is_test
group by coalesce(reason_code, ''), action, case when reason_code is null then regexp_replace(reason, '\S+@\S+', '*', 'g') end
order by events desc, code, action
