-- Changes at the vendor after landing, as the sweeps found them; each changed partition is pulled again.
-- Grain: one row per sweep and changed partition.
-- Key: connection, stream, swept_at, partition_key.
-- Made: a view.
--
-- vendor: The vendor's short name.
-- connection: The configured account.
-- stream: The kind of record.
-- partition_key: The partition's name.
-- swept_at: When the sweep that found it ended, UTC.
-- kind: count if the number of rows changed, content if the number is equal and rows changed.
-- rows: Rows of the newest answer landed by then.
-- estimate: Rows at the vendor.
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
