-- Streams whose events another stream of the connection may report too, as the lake's manifests say.
-- Two manifests of a stream may differ for a while after an upgrade: then one of them counts, whichever came first.
-- A twin stands for one stream: of several the first by name.
-- Grain: one row per stream that has a twin.
-- Key: connection, stream.
-- Made: as a whole.
--
-- connection: The configured account.
-- stream: The stream whose events marts leave out if its twin reports them too.
-- twin_stream: The other one; it has no twin itself.
-- property: The property that has the same value in both.
-- channel: The channel of the events that both report.
with pairs as (
    select
        connection,
        stream,
        max({
            'twin_stream': twin ->> 'stream',
            'property': twin ->> 'property',
            'channel': twin ->> 'channel'
        }) as pair
    from internal.files
    where twin is not null
    group by all
)
select
    connection,
    stream,
    pair.twin_stream as twin_stream,
    pair.property as property,
    pair.channel as channel
from pairs
where (connection, pair.twin_stream) not in (select (connection, stream) from pairs)
qualify row_number() over (partition by connection, pair.twin_stream order by stream) = 1
