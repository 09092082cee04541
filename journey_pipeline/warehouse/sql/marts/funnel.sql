-- A funnel over steps of your own: how many enrolments that entered a journey came to the first, to the first two, ...
-- mode is ordered (each step at any time after the one before), strict (no other step between) or any (in any order).
-- Such as: from marts.funnel('root', ['EMAILV2-1', 'WAIT-1'], within := interval 7 days)
-- Grain: one row per step asked for, and one for all that entered.
-- Key: number.
-- Made: a macro of root, steps, within := null::interval, mode := 'ordered', first_day := null, last_day := null.
--
-- number: 0 for all that entered, then the steps as asked for.
-- step_key: The step's key; entered for all that entered.
-- reached: Enrolments that came so far.
-- share_of_entered: Of all that entered.
-- share_of_before: Of those that reached the row before.
with recursive cohort as materialized (
    select
        connection,
        enrolment_id
    from marts.journey_enrolments
    where journey_root_id = root
        and entry_is_known
        and status <> 'refused'
        and entered_on between coalesce(first_day, date '1900-01-01') and coalesce(last_day, date '2100-01-01')
),
visits as materialized (
    select
        visited.connection,
        visited.enrolment_id,
        visited.step_number,
        list_position(steps, visited.step_key) as place
    from marts.enrolment_steps as visited
    semi join cohort
        on visited.connection = cohort.connection
        and visited.enrolment_id = cohort.enrolment_id
    where visited.journey_root_id = root
        and list_contains(steps, visited.step_key)
        and (within is null or visited.seconds_in <= epoch(within))
),
walked as (
    select
        connection,
        enrolment_id,
        0 as reached,
        0::bigint as step_number
    from cohort
    union
    select
        visits.connection,
        visits.enrolment_id,
        walked.reached + 1 as reached,
        visits.step_number
    from walked
    join visits
        on visits.connection = walked.connection
        and visits.enrolment_id = walked.enrolment_id
        and visits.place = walked.reached + 1
    where case
        when mode = 'strict' then walked.reached = 0 or visits.step_number = walked.step_number + 1
        else visits.step_number > walked.step_number
    end
),
came as (
    select
        connection,
        enrolment_id,
        reached
    from walked
    where mode in ('ordered', 'strict')
        or reached = 0
    union
    select
        connection,
        enrolment_id,
        unnest(range(1, count(distinct place) + 1)) as reached
    from visits
    where mode = 'any'
    group by connection, enrolment_id
),
counted as (
    select
        numbers.number,
        count(distinct (came.connection, came.enrolment_id)) filter (came.reached is not null) as reached
    from (select unnest(range(0, len(steps) + 1)) as number) as numbers
    left join came on came.reached = numbers.number
    group by numbers.number
)
select
    number,
    case when number = 0 then 'entered' else steps[number] end as step_key,
    reached,
    reached / nullif(first_value(reached) over (order by number), 0) as share_of_entered,
    reached / nullif(lag(reached) over (order by number), 0) as share_of_before
from counted
order by number
