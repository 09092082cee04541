-- How long the partitions of each stream are: an hour or a day.
-- Grain: one row per stream of a connection.
-- Key: connection, stream.
-- Made: as a whole.
--
-- connection: The configured account.
-- stream: The kind of record.
-- microseconds: From the start of a partition to its end.
select
    connection,
    stream,
    max(epoch_us(window_end) - epoch_us(window_start)) as microseconds
from internal.files
group by all
