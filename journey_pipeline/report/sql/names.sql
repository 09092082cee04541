-- All journeys by name, without their figures
select
    connection,
    journey_root_id as root,
    any_value(journey_name) as name
from internal.journey_roots
where not is_test
group by connection, journey_root_id
order by connection, root
