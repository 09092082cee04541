-- Which actions a connection tells of at all, by channel: of the others a count is not 0 but unknown.
-- Grain: one row per connection, channel and action that occurred.
-- Key: connection, channel, action.
-- Made: as a whole.
--
-- connection: The configured account.
-- channel: The channel.
-- action: The action.
-- last_on: The UTC day of the last of them.
select
    connection,
    channel,
    action,
    max(occurred_on) as last_on
from internal.counts_by_day
group by all
