-- Numbers of passages that a vendor gave to more than one: to several people, or in several versions of a journey.
-- Grain: one row per number of a connection.
-- Key: connection, enrolment_id.
-- Made: by connection, enrolment_id.
--
-- connection: The configured account.
-- enrolment_id: The vendor's number.
-- passages: How many passages have it.
select
    connection,
    enrolment_id,
    count(*) as passages
from internal.passages
where enrolment_id is not null
group by connection, enrolment_id
having count(*) > 1
