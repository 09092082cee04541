-- How many different people a journey had, over all its versions: counts of people don't add up over days.
-- Several contact_ids of one address are one person, see core.contacts.
-- Such as: from marts.people('root', date '2026-11-01', date '2026-11-30')
-- Grain: one row per connection.
-- Key: connection.
-- Made: a macro of root, first_day := date '1900-01-01', last_day := date '2100-01-01'.
--
-- connection: The configured account.
-- entered: People who entered in these days and were let in.
-- entered_again: Of them, those who entered again: not for the first known time.
-- converted: Of them, those who came to a goal.
-- in_it_now: Of them, those who are in it now.
-- refused: People who were refused in these days.
select
    connection,
    count(distinct contacts.person_id) filter (status <> 'refused' and entry_is_known) as entered,
    count(distinct contacts.person_id) filter (enrolment_number > 1 and entry_is_known) as entered_again,
    count(distinct contacts.person_id) filter (converted_at is not null and entry_is_known and status <> 'refused')
        as converted,
    count(distinct contacts.person_id) filter (status = 'open' and entry_is_known) as in_it_now,
    count(distinct contacts.person_id) filter (status = 'refused') as refused
from marts.journey_enrolments
join core.contacts as contacts using (connection, contact_id)
where journey_root_id = root
    and entered_on between first_day and last_day
group by connection
