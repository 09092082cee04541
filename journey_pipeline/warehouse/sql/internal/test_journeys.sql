-- Journeys that the vendor lists with another mode of execution than Production: marts leave their events out.
-- Grain: one row per journey of a connection.
-- Key: connection, journey_id.
-- Made: as a whole.
--
-- connection: The configured account.
-- journey_id: The journey; for Salesforce one version.
select
    connection,
    journey_id
from internal.journeys
where lower(listed_properties ->> '$.executionMode') <> 'production'
