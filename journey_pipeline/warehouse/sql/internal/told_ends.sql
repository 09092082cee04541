-- How a connection's passages end at all, as far as its vendor tells: of other ends a count is not 0 but unknown.
-- Grain: one row per connection.
-- Key: connection.
-- Made: a view.
--
-- connection: The configured account.
-- finished: Whether any finished.
-- exited: Whether any exited.
-- failed: Whether any failed.
-- refused: Whether any was refused.
-- converted: Whether any reached a goal.
select
    connection,
    bool_or(status = 'finished') as finished,
    bool_or(status = 'exited') as exited,
    bool_or(status = 'failed') as failed,
    bool_or(status = 'refused') as refused,
    bool_or(converted_at is not null) as converted
from internal.passages
group by all
