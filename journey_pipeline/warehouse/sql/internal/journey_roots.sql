-- Which journeys are versions of one, and which are tests.
-- Grain: one row per journey of a connection.
-- Key: connection, journey_id.
-- Made: as a whole.
--
-- connection: The configured account.
-- journey_id: The journey; for Salesforce one version.
-- journey_root_id: See core.journeys.
-- journey_version: The version's number.
-- journey_name: The name that the root's listed version of the greatest number has, or else its latest one.
-- is_test: See core.journeys.
select
    connection,
    journey_id,
    journey_root_id,
    version as journey_version,
    first_value(journey_name) over (
        partition by connection, journey_root_id
        order by first_seen_at is not null desc, version desc nulls last, journey_id desc
    ) as journey_name,
    is_test
from core.journeys
