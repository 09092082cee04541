-- Figures of each partition of the lake and of the warehouse; landed = events + rejects + duplicates.
-- Grain: one row per partition with an events file, and per partition that an earlier one's answers cover.
-- Key: connection, stream, partition_key.
-- Made: a view.
--
-- vendor: The vendor's short name.
-- connection: The configured account.
-- stream: The kind of record.
-- partition_key: The partition's name: an hour or a UTC day.
-- covered_by: The partition whose answers also cover this one; NULL if it has its own answers.
-- window_start: The first instant of its window, UTC.
-- window_end: The first instant after its window, UTC.
-- estimate: The vendor's estimate of rows at the newest attempt; NULL if it gives none.
-- landed: Records in the files from which the events were made.
-- events: Events in the partition's events file.
-- rejects: Records that could not be read; see ops.rejects.
-- duplicates: Records whose key another record of the partition has.
-- withdrawn: Events that the vendor's newest answer lacks and an older one had; they are kept.
-- conflicts: Keys that came with two different contents in one attempt.
-- outside_window: Events whose time is not in the partition's window.
-- unknown_codes: Ids and codes without a name in its events, such as of an unknown type or bounce.
-- masked: Values of people that are hidden with *, and count as none.
-- rounded_ids: Events with an id that the file has as a floating-point number of 2^53 or more: its end may be wrong.
-- warnings: What was odd about its lists when they were taken in, such as other rows than the panel counted.
-- unaccounted: Landed records that are neither events, rejects nor duplicates; 0 unless something is wrong.
-- loaded: Events in core.journey_events that came from this partition; the rest of its events came from others.
-- attempts: Answers of the vendor from which the events were made.
-- unreadable_attempts: Answers set aside because they can't be read; `status` says why.
-- kept_events: Events kept from such answers; counted in events, not in landed.
-- landing_bytes: Size of their files in the landing.
-- landed_at: When the newest of them was complete, UTC.
-- first_at: The least occurred_at of the events file, UTC.
-- last_at: The greatest occurred_at of the events file, UTC.
-- package_version: The version of journey_pipeline that made the events file.
with covering as (
    select
        *,
        unnest(covers) as covered
    from internal.files
),
held as (
    -- A day is in the answers of several earlier ones; the newest of them tells.
    select
        vendor,
        connection,
        stream,
        covered as partition_key,
        partition_key as covered_by,
        timezone('UTC', strptime(covered, ['%Y-%m-%dT%H', '%Y-%m-%d'])) as window_start,
        timezone('UTC', strptime(covered, ['%Y-%m-%dT%H', '%Y-%m-%d'])) + (window_end - window_start) as window_end,
        landed_at,
        package_version
    from covering
    anti join internal.files as held_by_itself
        on held_by_itself.connection = covering.connection
        and held_by_itself.stream = covering.stream
        and held_by_itself.partition_key = covering.covered
    qualify row_number() over (
        partition by connection, stream, covered order by landed_at desc, covering.partition_key desc
    ) = 1
)
select
    vendor,
    connection,
    stream,
    partition_key,
    null::varchar as covered_by,
    window_start,
    window_end,
    estimate,
    landed,
    events,
    rejects,
    duplicates,
    withdrawn,
    conflicts,
    outside_window,
    unknown_codes,
    masked,
    rounded_ids,
    coalesce(warnings, []) as warnings,
    unaccounted,
    loaded,
    attempts,
    unreadable_attempts,
    kept_events,
    landing_bytes,
    landed_at,
    first_at,
    last_at,
    package_version
from internal.files
union all
select
    vendor,
    connection,
    stream,
    partition_key,
    covered_by,
    window_start,
    window_end,
    null as estimate,
    0 as landed,
    0 as events,
    0 as rejects,
    0 as duplicates,
    0 as withdrawn,
    0 as conflicts,
    0 as outside_window,
    0 as unknown_codes,
    0 as masked,
    0 as rounded_ids,
    [] as warnings,
    0 as unaccounted,
    0 as loaded,
    0 as attempts,
    0 as unreadable_attempts,
    0 as kept_events,
    0 as landing_bytes,
    landed_at,
    null as first_at,
    null as last_at,
    package_version
from held
