-- How far two streams that report the same events agree; only events with the linking property.
-- Grain: one row per UTC day and pair of streams of a connection.
-- Key: occurred_on, connection, stream.
-- Made: a view.
--
-- occurred_on: The UTC day on which the events happened.
-- connection: The configured account.
-- stream: The stream whose events marts leave out if its twin reports them too.
-- twin_stream: The stream in which marts count events of both.
-- in_both: Events of the twin that the stream reports too.
-- only_in_stream: Events of the stream that the twin lacks; marts count them as well.
-- only_in_twin: Events of the twin that the stream lacks.
select
    links.occurred_on,
    links.connection,
    links.stream,
    pairs.twin_stream,
    count(*) filter (is_of_twin and is_in_stream) as in_both,
    count(*) filter (not is_of_twin and twin_key is null) as only_in_stream,
    count(*) filter (is_of_twin and not is_in_stream) as only_in_twin
from internal.links
join internal.linked_streams as pairs using (connection, stream)
group by all
having in_both + only_in_stream + only_in_twin > 0
