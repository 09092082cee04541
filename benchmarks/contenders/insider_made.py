"""No contender: lands one export of Insider in a format, as `insider_normalizer.py` finds it."""

from __future__ import annotations

import hashlib
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from benchmarks.task import HOME, Stopwatch, say
from journey_pipeline import __version__
from journey_pipeline.lake.landing import NOTE
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import Attempt, LandedFile, LandingManifest
from journey_pipeline.model import StreamKey, partition_window

KEY = StreamKey("insider", "insider", "user_events")
PARTITION = "2026-03-07"
_DAYS = 7
_FORMATS = {
    "csv": ("csv.gz", "format csv, compression gzip"),
    "parquet": ("parquet", "format parquet"),
    "json": ("json.gz", "format json, array true, compression gzip"),
    "ndjson": ("json.gz", "format json, compression gzip"),
}
_LANDED_AT = datetime(2026, 3, 8, 3, tzinfo=UTC)


def _select(rows: int, attributes: int) -> str:
    """Messages of a week. Each person has some a day, with the same attributes on every row."""
    told = "".join(f"concat('value {n} of ', person) as a_c_{n}, " for n in range(attributes))
    return f"""
        select
            {told}
            'journey_product_action' as event_name,
            concat('17a.', person) as iid,
            strftime(timestamp '2026-03-01' + to_seconds(number * 86400 * {_DAYS} // {rows}), '%Y-%m-%dT%H:%M:%SZ')
                as e_timestamp,
            5000 + number % 40 as e_journey_id,
            60000 + number % 300 as e_campaign_id,
            concat('Journey ', number % 40) as e_journey_campaign_name,
            'on-event' as e_reason,
            'EM' as e_channel_code,
            4 as e_action_code,
            0 as e_is_dry_run,
            '' as e_event_code,
            '' as e_name
        from (select range as number, range % greatest({rows} // (3 * {_DAYS}), 1) as person from range({rows}))
    """


def main() -> None:
    """Lands as many events as it is told, with as many attributes, in a format."""
    form, rows, attributes = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    watch = Stopwatch()
    extension, options = _FORMATS[form]
    folder = Lake(Path(os.environ[HOME])).landing_dir(KEY, PARTITION)
    name = f"{_LANDED_AT:%Y%m%dT%H%M%S%f}Z-00000000"
    file = folder / name / f"part-0.{extension}"
    file.parent.mkdir(parents=True)
    with duckdb.connect() as session:
        session.execute(f"copy ({_select(rows, attributes)}) to '{file}' ({options})")
    landed = LandedFile(
        name=file.name,
        sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
        bytes=file.stat().st_size,
        raw_bytes=file.stat().st_size,
        rows=rows,
        received_as="identity",
    )
    attempt = Attempt(
        attempt=name, started_at=_LANDED_AT, landed_at=_LANDED_AT, package_version=__version__, files=(landed,)
    )
    manifest = LandingManifest(
        vendor=KEY.vendor,
        connection=KEY.connection,
        stream=KEY.stream,
        partition=PARTITION,
        window=str(partition_window(PARTITION)),
        attempts=(attempt,),
    )
    (folder / name / NOTE).write_bytes(attempt.content)
    (folder / "manifest.json").write_bytes(manifest.content)
    say(rows, watch.seconds)


if __name__ == "__main__":
    main()
