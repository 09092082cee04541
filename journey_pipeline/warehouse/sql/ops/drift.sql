-- What the sweeps found to be otherwise at the vendor than it had landed; each finding is pulled again.
-- Grain: one row per sweep and partition that had drifted.
-- Key: connection, stream, swept_at, partition_key.
-- Made: a view.
--
-- vendor: The vendor's short name.
-- connection: The configured account.
-- stream: The kind of record.
-- partition_key: The partition's name.
-- swept_at: When the sweep that found it ended, UTC.
-- kind: count if the vendor said another number of rows, content if equal counts hid other rows.
-- rows: Rows of the newest answer that had landed by then.
-- estimate: Rows that the vendor said there were.
-- healed_at: When an answer landed after the sweep, UTC; NULL while the partition has not been pulled again.
with found as (
    select
        report ->> 'vendor' as vendor,
        report ->> 'connection' as connection,
        report ->> 'stream' as stream,
        (report ->> 'swept_at')::timestamptz as swept_at,
        unnest(from_json(report -> 'findings', '["json"]')) as finding
    from internal.drift_reports
)
select
    found.vendor,
    found.connection,
    found.stream,
    found.finding ->> 'partition' as partition_key,
    found.swept_at,
    found.finding ->> 'kind' as kind,
    (found.finding ->> 'rows')::bigint as rows,
    (found.finding ->> 'estimate')::bigint as estimate,
    case when files.landed_at > found.swept_at then files.landed_at end as healed_at
from found
left join internal.files as files
    on files.connection = found.connection
    and files.stream = found.stream
    and files.partition_key = found.finding ->> 'partition'
