"""One landed hour to typed Parquet in one DuckDB statement: key, properties as JSON, unreadable rows left out.

Two threads, rows in any order, no lineage, no proof of anything, fewer columns and codes than the pipeline's. Not here:
the pipeline's own normalizer (`normalizer.py`).
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import IO, BinaryIO, cast

import duckdb
import pyarrow as pa
from isal import igzip
from pyarrow import csv

from benchmarks.contenders.floor import EVENT_KEY
from benchmarks.task import COLUMNS, Stopwatch, Task, say

MEMORY = "300MB"
BLOCK_BYTES = 4 << 20

SELECT = f"""
select
  {EVENT_KEY} as event_key,
  'sfmc' as vendor,
  'sfmc' as connection,
  'journey_history' as stream,
  try_cast(TransactionTime as timestamptz) as occurred_at,
  try_cast(TransactionTime as timestamptz)::date as occurred_on,
  'TransactionTime' as occurred_at_source,
  try_cast(CreatedDate as timestamptz) as received_at,
  ContactKey as contact_id,
  lower(DefinitionId) as journey_id,
  nullif(DefinitionName, '') as journey_name,
  lower(DefinitionInstanceId) as enrolment_id,
  lower(ActivityId) as activity_id,
  nullif(ActivityName, '') as activity_name,
  lower(ActivityType) as activity_type,
  lower(nullif(OutcomeActivityId, '')) as next_activity_id,
  case lower(ActivityType) when 'emailv2' then 'email' when 'smssync' then 'sms' else 'journey' end as channel,
  case
    when Status = 'Failed' then 'fail'
    when lower(ActivityType) = 'emailv2' then 'send'
    else 'other'
  end as action,
  Status as vendor_action,
  nullif("Result.Outcome", '') as outcome,
  nullif(Message, '') as reason,
  to_json(struct_pack(
    id := Id,
    start_date := nullif(StartDate, ''),
    end_date := nullif(EndDate, ''),
    client_status := ClientStatus,
    event_id := EventId,
    event_name := EventName,
    entry_source := EntrySource,
    source_type := SourceType,
    message := nullif(Message, ''),
    result_status := nullif("Result.Status", ''),
    result_tags := nullif("Result.Tags", ''),
    result_messages := nullif("Result.Messages", '')
  )) as properties
from landing
where try_cast(TransactionTime as timestamptz) is not null
"""


class Counted(io.RawIOBase):
    """Inflates a file and counts its quotes, whose parity tells a truncated one."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file: BinaryIO = igzip.open(path, "rb")  # type: ignore[no-untyped-call]
        self.quotes = 0

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        content: bytes = self._file.read(size)
        self.quotes += content.count(b'"')
        return content

    def readable(self) -> bool:
        """Whether it can be read."""
        return True

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
        super().close()


def main() -> None:
    """Makes a Parquet file of the hour that has landed in the home."""
    watch = Stopwatch()
    task = Task.given()
    (file,) = task.home.glob("raw/*/*/*/*/part-0.csv.gz")
    content = Counted(file)
    landing = csv.open_csv(
        cast("IO[bytes]", content),
        read_options=csv.ReadOptions(block_size=BLOCK_BYTES),
        parse_options=csv.ParseOptions(newlines_in_values=True, invalid_row_handler=lambda _: "skip"),
        convert_options=csv.ConvertOptions(column_types=dict.fromkeys(COLUMNS, pa.string())),
    )
    with duckdb.connect() as database:
        database.execute(f"set threads = 2; set memory_limit = '{MEMORY}'; set preserve_insertion_order = false")
        database.execute(f"set timezone = 'UTC'; set temp_directory = '{task.home}/spill'")
        database.register("landing", landing)
        ((rows,),) = database.execute(
            f"copy ({SELECT}) to '{task.home}/floor.parquet' "
            "(format parquet, compression zstd, compression_level 1, row_group_size 122880)"
        ).fetchall()
    if content.quotes % 2:
        raise SystemExit(f"{file} is truncated")
    say(rows, watch.seconds)


if __name__ == "__main__":
    main()
